package runner

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"

	"swaprun/experiments"
	"swaprun/extract/dataset"
)

// maxExperiment bounds an experiment file; a longer one is a mistake, not an experiment.
const maxExperiment = 1 << 20

// Load reads an experiment file and checks it against #Experiment. What is wrong with it comes back as Problems;
// whether checkpoints and tables exist is for Plan to find out.
func Load(file string) (*Experiment, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, Problems{{File: file, Message: err.(*os.PathError).Err.Error()}}
	}
	defer f.Close()
	source, err := io.ReadAll(io.LimitReader(f, maxExperiment+1))
	if err != nil {
		return nil, Problems{{File: file, Message: err.Error()}}
	}
	if len(source) > maxExperiment {
		return nil, Problems{{File: file, Message: fmt.Sprintf("longer than %d bytes, which no experiment is", maxExperiment)}}
	}
	return parse(file, source)
}

func parse(file string, source []byte) (*Experiment, error) {
	tree, err := parser.ParseFile(file, source, parser.ParseComments)
	if err != nil {
		return nil, syntaxProblems(file, err)
	}
	// An experiment is one file on its own: an import would need a module around it.
	for imp := range tree.ImportSpecs() {
		if pos := imp.Pos(); !strings.Contains(imp.Path.Value, ".") {
			continue // CUE's own packages
		} else {
			return nil, Problems{{File: file, Line: pos.Line(), Column: pos.Column(), Message: fmt.Sprintf("import of %s: an experiment is one file and may import CUE's standard packages only", imp.Path.Value)}}
		}
	}
	dropEmbedding(tree)
	ctx := cuecontext.New()
	schema := compileSchema(ctx)
	v := ctx.BuildFile(tree, cue.Scope(schema))
	def := cue.MakePath(cue.Def("#Experiment"))
	c := &checker{file: file, user: v, schema: schema.LookupPath(def), whole: schema.LookupPath(def).Unify(v), seen: map[string]bool{}}
	c.check()
	if len(c.problems) > 0 {
		sort.SliceStable(c.problems, func(i, j int) bool {
			a, b := c.problems[i], c.problems[j]
			return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
		})
		return nil, c.problems
	}
	return decode(file, source, v, c.whole)
}

// dropEmbedding takes the line `#Experiment` out of a file that is also checked with `cue vet`: the file
// is unified with #Experiment below, and errors are clearer when what the user wrote stands apart from it.
func dropEmbedding(tree *ast.File) {
	tree.Decls = slices.DeleteFunc(tree.Decls, func(d ast.Decl) bool {
		embed, ok := d.(*ast.EmbedDecl)
		if !ok {
			return false
		}
		ident, ok := embed.Expr.(*ast.Ident)
		return ok && ident.Name == "#Experiment"
	})
}

// Schema is the CUE source of #Experiment with the names this binary knows filled in: what an editor or
// `cue vet` needs to check an experiment.
func Schema() (string, error) {
	tree, err := schemaTree()
	if err != nil {
		return "", err
	}
	out, err := format.Node(tree)
	return string(out), err
}

func schemaTree() (*ast.File, error) {
	tree, err := parser.ParseFile("schema.cue", experiments.Schema, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	known := registered()
	for _, d := range tree.Decls {
		field, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		name, _, _ := ast.LabelName(field.Label)
		names, ok := known[name]
		if !ok {
			continue
		}
		field.Value, err = parser.ParseExpr("schema.cue", disjunction(name, names))
		if err != nil {
			return nil, err
		}
	}
	return tree, nil
}

func compileSchema(ctx *cue.Context) cue.Value {
	tree, err := schemaTree()
	var v cue.Value
	if err == nil {
		v = ctx.BuildFile(tree)
		err = v.Err()
	}
	if err != nil {
		panic(fmt.Sprintf("runner: the embedded schema does not compile: %v", err)) // a test holds it
	}
	return v
}

// disjunction writes names as a CUE disjunction; of formats, the first is the default.
func disjunction(definition string, names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	if definition == "#Format" {
		quoted[0] = "*" + quoted[0]
	}
	return strings.Join(quoted, " | ")
}

func syntaxProblems(file string, err error) Problems {
	var ps Problems
	for _, e := range errors.Errors(err) {
		pos := e.Position()
		msg, args := e.Msg()
		ps = append(ps, &Problem{File: file, Line: pos.Line(), Column: pos.Column(), Message: fmt.Sprintf(msg, args...)})
	}
	return ps
}

// A checker turns what CUE finds into problems a user can act on. CUE reports a wrong word in a
// disjunction once per alternative and stops looking for unknown fields at the first conflict; we report each path once,
// with what was found and what was expected.
type checker struct {
	file     string
	user     cue.Value // the file alone
	schema   cue.Value // #Experiment
	whole    cue.Value // both unified
	problems Problems
	seen     map[string]bool // paths that have a problem already
}

func (c *checker) add(path []cue.Selector, format string, args ...any) {
	key := cue.MakePath(path...).String()
	if c.seen[key] {
		return
	}
	c.seen[key] = true
	c.problems = append(c.problems, problemAt(c.user, c.file, path, fmt.Sprintf(format, args...)))
}

// addHere is add with the position CUE gives, when the file does not even build and has no values to ask.
func (c *checker) addHere(path []cue.Selector, e errors.Error, text string) {
	c.add(path, "%s", text)
	p := c.problems[len(c.problems)-1]
	for _, pos := range append(e.InputPositions(), e.Position()) {
		if pos.IsValid() && pos.Filename() == c.file {
			p.Line, p.Column = pos.Line(), pos.Column()
			return
		}
	}
}

func (c *checker) check() {
	c.unknownFields(c.user, c.schema, nil)
	// The innermost problem says most: one wrong element of a list also fails every alternative for the list.
	found := errors.Errors(c.whole.Validate(cue.Concrete(true), cue.Final()))
	sort.SliceStable(found, func(i, j int) bool { return len(found[i].Path()) > len(found[j].Path()) })
	for _, e := range found {
		path := parsePath(e.Path())
		if len(path) > 0 && path[0].String() == "#Experiment" {
			path = path[1:]
		}
		if c.within(path) {
			continue // already reported, more precisely
		}
		c.translate(path, e)
	}
}

// within says whether a problem at, above or below the path is known already.
func (c *checker) within(path []cue.Selector) bool {
	for n := 1; n <= len(path); n++ {
		if c.seen[cue.MakePath(path[:n]...).String()] {
			return true
		}
	}
	at := cue.MakePath(path...).String()
	for key := range c.seen {
		if len(path) > 0 && (strings.HasPrefix(key, at+".") || strings.HasPrefix(key, at+"[")) {
			return true
		}
	}
	return false
}

func (c *checker) unknownFields(user, schema cue.Value, path []cue.Selector) {
	if user.IncompleteKind() != cue.StructKind {
		return
	}
	fields, err := user.Fields(cue.Optional(false))
	if err != nil {
		return
	}
	for fields.Next() {
		sel := fields.Selector()
		at := append(slices.Clone(path), sel)
		if !schema.Allows(sel) {
			known := fieldNames(schema)
			hint := "expected one of " + strings.Join(known, ", ")
			if len(known) == 0 {
				hint = "expected a name of letters, digits, dots, dashes and underscores"
			} else if n := nearest(sel.String(), known); n != "" {
				hint = fmt.Sprintf("did you mean %q? (%s)", n, hint)
			}
			c.add(at, "no such field; %s", hint)
			continue
		}
		inner := schema.LookupPath(cue.MakePath(sel.Optional()))
		if !inner.Exists() {
			inner = schema.LookupPath(cue.MakePath(sel))
		}
		if !inner.Exists() {
			inner = schema.LookupPath(cue.MakePath(cue.AnyString))
		}
		if inner.Exists() {
			c.unknownFields(fields.Value(), inner, at)
		}
	}
}

// fieldNames lists what a struct of the schema may hold; none for a struct keyed by free names.
func fieldNames(schema cue.Value) []string {
	var names []string
	fields, err := schema.Fields(cue.Optional(true))
	if err != nil {
		return nil
	}
	for fields.Next() {
		if s := fields.Selector(); s.IsString() {
			names = append(names, s.Unquoted())
		}
	}
	return names
}

func (c *checker) translate(path []cue.Selector, e errors.Error) {
	msg, args := e.Msg()
	text := fmt.Sprintf(msg, args...)
	user := c.user.LookupPath(cue.MakePath(path...))
	switch {
	case strings.Contains(text, "cycle"):
		c.add(path, "%s: a field must not be defined by itself", text)
	case strings.Contains(text, "not present"):
		c.add(path, "missing; %s", c.expected(path))
	case user.Exists() && !user.IsConcrete() && user.Err() == nil:
		c.add(path, "has no value: %s; %s", c.unresolved(path, user), c.expected(path))
	case user.Exists() && user.Err() != nil:
		c.add(path, "%s", text) // wrong on its own, whatever the schema says
	case !user.Exists():
		c.addHere(path, e, text)
	default:
		c.add(path, "found %s, %s%s", source(user), c.expected(path), c.meant(path, user))
	}
}

// unresolved says why a value never becomes concrete, following references to the point where they close a circle.
func (c *checker) unresolved(path []cue.Selector, v cue.Value) string {
	start := cue.MakePath(path...).String()
	chain := []string{start}
	for range 32 {
		_, to := v.ReferencePath()
		if len(to.Selectors()) == 0 {
			break
		}
		chain = append(chain, to.String())
		if to.String() == start {
			return "it refers to itself (" + strings.Join(chain, " → ") + ")"
		}
		if v = c.user.LookupPath(to); !v.Exists() {
			break
		}
	}
	return fmt.Sprintf("it is only known to be %s", source(v))
}

// expected describes what the schema wants at a path.
func (c *checker) expected(path []cue.Selector) string {
	at := c.schema
	for _, sel := range path {
		next := at.LookupPath(cue.MakePath(sel))
		for _, s := range []cue.Selector{optional(sel), cue.AnyString, cue.AnyIndex} {
			if next.Exists() {
				break
			}
			next = at.LookupPath(cue.MakePath(s))
		}
		if op, parts := at.Expr(); !next.Exists() && op == cue.OrOp {
			// "all", or a list: an element's constraint is in the alternative that is one
			for _, p := range parts {
				if e := p.LookupPath(cue.MakePath(cue.AnyIndex)); e.Exists() {
					next = e
				}
			}
		}
		if !next.Exists() {
			break
		}
		at = next
	}
	if at.IncompleteKind() == cue.StructKind {
		if names := fieldNames(at); len(names) > 0 {
			return "expected a struct with " + strings.Join(names, ", ")
		}
		return "expected a struct with at least one named entry"
	}
	return "expected " + describe(at)
}

func optional(sel cue.Selector) cue.Selector {
	if sel.IsString() {
		return sel.Optional()
	}
	return sel
}

// describe writes a constraint as a user would: the alternatives of a disjunction, else its CUE source.
func describe(v cue.Value) string {
	if raw := rawSource(v); strings.HasPrefix(raw, "*") && v.IncompleteKind()&cue.NumberKind != 0 {
		return raw // a number with a default: its source says it best
	}
	op, parts := v.Expr()
	if op == cue.OrOp {
		var alts []string
		for _, p := range parts {
			if s := describe(p); !slices.Contains(alts, s) {
				alts = append(alts, s)
			}
		}
		return strings.Join(alts, " or ")
	}
	return source(v)
}

func source(v cue.Value) string {
	b, err := format.Node(v.Syntax(cue.Final(), cue.Docs(false)), format.Simplify())
	if err != nil || v.Err() != nil {
		return rawSource(v)
	}
	return plain(string(b))
}

// rawSource is the constraint as the schema spells it, defaults included.
func rawSource(v cue.Value) string {
	b, err := format.Node(v.Syntax(cue.Raw(), cue.Docs(false)), format.Simplify())
	if err != nil {
		return v.IncompleteKind().String()
	}
	return plain(string(b))
}

// plain puts CUE source on one line, and the commonest constraints into words.
func plain(src string) string {
	s := strings.Join(strings.Fields(src), " ")
	switch s {
	case "uint":
		return "a whole number from 0"
	case "[uint]":
		return "a list of whole numbers from 0"
	case `=~"^[A-Za-z0-9][A-Za-z0-9._-]*$"`:
		return "a name of letters, digits, dots, dashes and underscores"
	case "int & >=0", ">=0 & int":
		return "a whole number from 0"
	case `!=""`:
		return "a text that is not empty"
	}
	if len(s) > 1200 {
		s = s[:1197] + "…"
	}
	return s
}

var quoted = regexp.MustCompile(`"([^"]+)"`)

// meant suggests the alternative a misspelt word stands for.
func (c *checker) meant(path []cue.Selector, user cue.Value) string {
	word, err := user.String()
	if err != nil {
		return ""
	}
	var words []string
	for _, q := range quoted.FindAllStringSubmatch(c.expected(path), -1) {
		words = append(words, q[1])
	}
	if n := nearest(word, words); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

func parsePath(parts []string) []cue.Selector {
	var sels []cue.Selector
	for _, p := range parts {
		if index, err := strconv.Atoi(p); err == nil {
			sels = append(sels, cue.Index(index))
			continue
		}
		if path := cue.ParsePath(p); path.Err() == nil {
			sels = append(sels, path.Selectors()...)
			continue
		}
		sels = append(sels, cue.Str(strings.Trim(p, `"`)))
	}
	return sels
}

// inOrder keeps of names those that are wanted, each once.
func inOrder(names, wanted []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(wanted, n) })
}

func decode(file string, source []byte, user, whole cue.Value) (*Experiment, error) {
	e := &Experiment{File: file, Dir: filepath.Dir(file), Source: source, value: user}
	var flat struct {
		Name, Title, Description string
		Data                     Data
		Decode                   struct {
			MaxNewTokens int `json:"max_new_tokens"`
		}
		Controls   Controls
		Statistics Statistics
		Report     Report
	}
	if err := whole.Decode(&flat); err != nil {
		return nil, fmt.Errorf("decode %s: %w", file, err)
	}
	e.Name, e.Title, e.Description = flat.Name, flat.Title, flat.Description
	e.Data, e.Decode, e.Statistics, e.Report = flat.Data, Decode(flat.Decode), flat.Statistics, flat.Report
	e.Controls = flat.Controls
	e.Controls.Conditions = inOrder(conditions(), e.Controls.Conditions)
	e.Data.Styles = inOrder(dataset.Styles(), e.Data.Styles)

	for _, list := range []struct {
		path string
		to   *[]int
	}{{"layers", &e.Layers}, {"report.npz", &e.Report.NPZ}} {
		if blocks := whole.LookupPath(cue.ParsePath(list.path)); blocks.IncompleteKind() == cue.ListKind {
			if err := blocks.Decode(list.to); err != nil {
				return nil, fmt.Errorf("decode %s: %s: %w", file, list.path, err)
			}
			sort.Ints(*list.to)
			*list.to = slices.Compact(*list.to)
		} else if word, err := blocks.String(); err == nil && list.path == "report.npz" {
			e.Report.Representative = word == "representative"
		}
	}
	if analyses := whole.LookupPath(cue.ParsePath("analyses")); analyses.IncompleteKind() == cue.ListKind {
		if err := analyses.Decode(&e.Analyses); err != nil {
			return nil, fmt.Errorf("decode %s: analyses: %w", file, err)
		}
	}
	// Order is the user's: the unified value would do, but the file itself is the authority.
	models, err := user.LookupPath(cue.ParsePath("models")).Fields()
	if err != nil {
		return nil, fmt.Errorf("decode %s: models: %w", file, err)
	}
	var problems Problems
	for models.Next() {
		sel := models.Selector()
		m := Model{Name: sel.Unquoted()}
		filled := whole.LookupPath(cue.MakePath(cue.Str("models"), sel))
		if err := filled.Decode(&m); err != nil {
			return nil, fmt.Errorf("decode %s: models.%s: %w", file, m.Name, err)
		}
		scales, err := models.Value().LookupPath(cue.ParsePath("scales")).Fields()
		if err != nil {
			return nil, fmt.Errorf("decode %s: models.%s.scales: %w", file, m.Name, err)
		}
		for scales.Next() {
			s := Scale{Name: scales.Selector().Unquoted()}
			if err := filled.LookupPath(cue.MakePath(cue.Str("scales"), scales.Selector())).Decode(&s); err != nil {
				return nil, fmt.Errorf("decode %s: models.%s.scales.%s: %w", file, m.Name, s.Name, err)
			}
			m.Scales = append(m.Scales, s)
		}
		if len(m.Scales) == 0 {
			problems = append(problems, e.at("holds no scale; expected at least one, such as vanilla: checkpoint: \"…\"", "models", m.Name, "scales"))
		}
		e.Models = append(e.Models, m)
	}
	if len(e.Models) == 0 {
		problems = append(problems, e.at("holds no model; expected at least one", "models"))
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return e, nil
}
