package runner

// Progress is told what a run is doing. Its methods are safe for concurrent use.
type Progress interface {
	Stage(name string, total int) Stage
	Note(format string, args ...any) // a line worth keeping
	Close()
}

// A Stage is a number of like steps.
type Stage interface {
	Step(n int)
	End()
}

// Silent is a Progress that says nothing.
type Silent struct{}

func (Silent) Stage(string, int) Stage { return silentStage{} }
func (Silent) Note(string, ...any)     {}
func (Silent) Close()                  {}

type silentStage struct{}

func (silentStage) Step(int) {}
func (silentStage) End()     {}
