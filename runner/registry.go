package runner

import (
	"slices"

	"swaprun/analyze"
	"swaprun/extract"
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
	slices.Sort(metrics)
	return map[string][]string{"#Family": Families(), "#Analysis": metrics, "#Format": {"auto", "benchmark", "prepared"}}
}

// Families lists the model families by name.
func Families() []string { return slices.Sorted(slices.Values(extract.Families())) }
