package runner

import (
	"slices"

	"swaprun/analyze"
	"swaprun/extract"
	"swaprun/extract/dataset"
)

// registered maps the schema's open definitions to the names this binary knows.
func registered() map[string][]string {
	var metrics []string
	for _, m := range analyze.Metrics() {
		metrics = append(metrics, m.Name)
	}
	for _, c := range analyze.Comparisons() {
		metrics = append(metrics, c.Name)
	}
	for _, m := range analyze.SweepMetrics() {
		metrics = append(metrics, m.Name)
	}
	slices.Sort(metrics)
	return map[string][]string{"#Family": Families(), "#Analysis": metrics, "#Format": formats(), "#Condition": conditions(), "#Style": dataset.Styles()}
}

// formats are the layouts of tables; the first is the schema's default.
func formats() []string {
	return []string{"auto", string(dataset.Benchmark), string(dataset.Prepared), string(dataset.CVBench), string(dataset.Templated)}
}

// conditions are the control conditions, in the order of every output.
func conditions() []string {
	var names []string
	for _, c := range dataset.Conditions {
		names = append(names, string(c))
	}
	return append(names, randomPairs)
}

// Families lists the model families by name.
func Families() []string { return slices.Sorted(slices.Values(extract.Families())) }
