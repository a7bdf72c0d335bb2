package jinja

// The tree. Statements write to the run's output, expressions return values.
type (
	stmt interface{ exec(*run, *scope) error }
	expr interface {
		eval(*run, *scope) (any, error)
	}
)

type (
	textStmt  struct{ text string }
	printStmt struct {
		of   expr
		line int
	}
	groupStmt struct{ body []stmt }
	ifStmt    struct {
		cond        expr
		then, other []stmt
	}
	forStmt struct {
		target      []string
		over, only  expr
		body, empty []stmt
		line        int
	}
	setStmt struct {
		target []string
		attr   string // of a namespace, or ""
		value  expr   // or nil, and body is rendered
		body   []stmt
		line   int
	}
	macroStmt struct {
		name   string
		params []param
		body   []stmt
	}
	param struct {
		name string
		def  expr
	}
	jumpStmt struct{ out bool } // break or continue
)

type (
	constExpr struct{ value any }
	nameExpr  struct{ name string }
	listExpr  struct {
		items []expr
		tuple bool
	}
	dictExpr struct {
		keys, values []expr
		line         int
	}
	condExpr  struct{ cond, then, other expr }
	logicExpr struct {
		op   string
		a, b expr
	}
	notExpr   struct{ of expr }
	arithExpr struct {
		op   string
		a, b expr
		line int
	}
	signExpr struct {
		minus bool
		of    expr
		line  int
	}
	compareExpr struct {
		first expr
		ops   []string
		rest  []expr
		line  int
	}
	attrExpr struct {
		of   expr
		name string
		line int
	}
	indexExpr struct {
		of, key expr
		line    int
	}
	sliceExpr struct {
		of   expr
		part [3]expr
		line int
	}
	callExpr struct {
		fn    expr
		args  []expr
		names []string
		named []expr
		line  int
	}
	filterExpr struct {
		of   expr
		name string
		call *callExpr
	}
	testExpr struct {
		of   expr
		name string
		call *callExpr
	}
)
