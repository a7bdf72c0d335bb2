package runner

import (
	"maps"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
)

// A Change is one thing that differs between two states of an experiment; empty means absent.
type Change struct {
	Path string `json:"path"` // CUE path, role of a key, or name of an input
	Old  string `json:"old"`
	New  string `json:"new"`
}

// sourceChanges lists the values that differ between two experiment files, defaults filled in. Two files that mean the same
// have none, whatever they look like.
func sourceChanges(old, new []byte) []Change {
	a, b := values(old), values(new)
	paths := map[string]bool{}
	for p := range a {
		paths[p] = true
	}
	for p := range b {
		paths[p] = true
	}
	var list []Change
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if a[p] != b[p] {
			list = append(list, Change{p, a[p], b[p]})
		}
	}
	return list
}

// values are the leaves of an experiment by their paths. What does not compile has none.
func values(source []byte) map[string]string {
	out := map[string]string{}
	tree, err := parser.ParseFile("experiment.cue", source)
	if err != nil {
		return out
	}
	dropEmbedding(tree)
	ctx := cuecontext.New()
	schema := compileSchema(ctx)
	v := schema.LookupPath(cue.MakePath(cue.Def("#Experiment"))).Unify(ctx.BuildFile(tree, cue.Scope(schema)))
	v.Walk(func(v cue.Value) bool {
		d, _ := v.Default()
		if k := d.IncompleteKind(); k == cue.StructKind {
			return true
		}
		text, err := format.Node(d.Syntax(cue.Final(), cue.Docs(false)), format.Simplify())
		if err == nil && d.IsConcrete() {
			sels := v.Path().Selectors()
			if len(sels) > 0 && sels[0].IsDefinition() {
				sels = sels[1:]
			}
			out[cue.MakePath(sels...).String()] = strings.Join(strings.Fields(string(text)), " ")
		}
		return false // a list is one value
	}, nil)
	return out
}
