package runner

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"swaprun/ledger"
)

// A crate is ro-crate-metadata.json: a Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance/0.5). The experiment is the
// workflow, each kind of node a step with a tool of its own, each outcome an action; what a run reused points to the action that
// computed it. Only what the ledger knows is said.
type crate struct {
	graph []entity
	known map[string]bool
}

type entity map[string]any

type ref struct {
	ID string `json:"@id"`
}

const (
	crateName    = "ro-crate-metadata.json"
	crateContext = "https://w3id.org/ro/crate/1.1/context"
	runContext   = "https://w3id.org/ro/terms/workflow-run/context"
)

// crateProfiles are what the crate conforms to, with name and version.
var crateProfiles = [][3]string{
	{"https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"},
	{"https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"},
	{"https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"},
	{"https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"},
}

// add enters an entity, once.
func (c *crate) add(id string, types any, fields entity) ref {
	if !c.known[id] {
		c.known[id] = true
		e := entity{"@id": id, "@type": types}
		for k, v := range fields {
			e[k] = v
		}
		c.graph = append(c.graph, e)
	}
	return ref{id}
}

// A crateFile is a file of the archive.
type crateFile struct {
	name   string // slash-separated
	digest ledger.Digest
	size   int64
}

// id is the file's name as a relative URI.
func (f crateFile) id() string { return fileID(f.name) }

func fileID(name string) string { return (&url.URL{Path: name}).EscapedPath() }

var mediaTypes = map[string]string{
	".json": "application/json", ".csv": "text/csv", ".png": "image/png", ".html": "text/html", ".cue": "text/plain", ".npz": "application/zip", ".slice": "application/octet-stream",
}

func (c *crate) file(f crateFile) ref {
	fields := entity{"name": path.Base(f.name), "sha256": fmt.Sprintf("%x", f.digest[:]), "contentSize": strconv.FormatInt(f.size, 10)}
	if t := mediaTypes[path.Ext(f.name)]; t != "" {
		fields["encodingFormat"] = t
	}
	return c.add(f.id(), "File", fields)
}

// blob is an output or input that lies in the ledger's slice.
func (c *crate) blob(name string, d ledger.Digest, size int64) ref {
	fields := entity{"name": name, "sha256": fmt.Sprintf("%x", d[:])}
	if size >= 0 {
		fields["contentSize"] = strconv.FormatInt(size, 10)
	}
	return c.add(fmt.Sprintf("#sha256-%x", d[:]), "CreativeWork", fields)
}

// crateAction is an outcome as the crate tells it.
type crateAction struct {
	node    *Node
	entry   *ledger.Entry
	files   []crateFile // of the archive that the node made
	failure string
}

// actionUUID names an execution: the same one has the same name in every crate.
func actionUUID(o *ledger.Outcome) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(o.Action[:], uint64(o.Started.UnixNano())))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // version 8: of the maker's own design
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// timeText is ISO 8601.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

var stepText = map[Kind]string{
	KindPairs: "table to swap pairs", KindQuads: "pairs and boxes to four questions a picture", KindControl: "pairs under a control condition", KindSweep: "table to questions about rendered scenes", KindHead: "how the head tells answers apart",
	KindCheckpoint: "what each model is, with the digest of every weight",
	KindCapture:    "hidden states and answer of each query", KindMetric: "states and answers to metrics", KindFile: "results to files", KindFigure: "results to figures", KindReport: "everything on one page",
}

// metadata writes the crate of a session's outcomes and the archive's files.
func (s *session) metadata(actions []crateAction, files []crateFile, experiment, report, slice string, license string) ([]byte, error) {
	c := &crate{known: map[string]bool{}}
	var first, last time.Time
	tools := map[string]bool{}
	for _, a := range actions {
		o := a.entry.Outcome
		if first.IsZero() || o.Started.Before(first) {
			first = o.Started
		}
		if end := o.Started.Add(o.Duration); end.After(last) {
			last = end
		}
		tools[o.Tool] = true
	}
	c.add(crateName, "CreativeWork", entity{"about": ref{"./"}, "conformsTo": []ref{{"https://w3id.org/ro/crate/1.1"}, {"https://w3id.org/workflowhub/workflow-ro-crate/1.0"}}})
	var profiles []ref
	for _, p := range crateProfiles {
		profiles = append(profiles, ref{p[0]})
	}
	root := entity{
		"@id": "./", "@type": "Dataset",
		"conformsTo": profiles, "datePublished": timeText(last), "mainEntity": ref{fileID(experiment)},
		"name": cmp.Or(s.exp.Title, s.exp.Name), "description": cmp.Or(s.exp.Description, "swaprun experiment "+s.exp.Name),
	}
	c.graph = append(c.graph, root) // as a reference: more is said of it below
	// A crate must say something of a license, and may in words.
	root["license"] = "No license is stated: ask whoever shared this before using it."
	if license != "" {
		root["license"] = c.add(license, "CreativeWork", entity{"name": license, "description": "license of everything in this archive"})
	}
	for _, p := range crateProfiles {
		c.add(p[0], "CreativeWork", entity{"name": p[1], "version": p[2]})
	}
	var parts []ref
	for _, f := range files {
		if f.name != experiment {
			parts = append(parts, c.file(f))
		}
	}
	root["hasPart"] = append([]ref{{fileID(experiment)}}, parts...)

	engine := c.add("#swaprun", "SoftwareApplication", entity{"name": "swaprun", "softwareVersion": join(tools)})
	run, mentions := s.crateRun(c, actions, report, experiment, first, last)
	kinds, controls := c.steps(actions)
	organize := c.add("#organize", "OrganizeAction", entity{"name": "run of " + s.exp.Name, "instrument": engine, "object": controls, "result": run, "startTime": timeText(first), "endTime": timeText(last)})
	root["mentions"] = append([]ref{run, organize}, mentions...)

	i := slices.IndexFunc(files, func(f crateFile) bool { return f.name == experiment })
	c.workflow(s.exp, files[i], kinds)
	for _, e := range c.graph {
		if e["@id"] == fileID(slice) {
			e["description"] = "outcomes of the ledger with their proofs, and the bytes they name: what swaprun import reads"
			e["about"] = run
		}
	}
	for _, e := range c.graph {
		for field, v := range e {
			if list, ok := v.([]ref); ok && len(list) == 1 {
				e[field] = list[0] // as RO-Crate recommends
			}
		}
	}
	return json.MarshalIndent(entity{"@context": []string{crateContext, runContext}, "@graph": c.graph}, "", " ")
}

// workflow enters the experiment file as the workflow.
func (c *crate) workflow(exp *Experiment, f crateFile, kinds []Kind) {
	var tools, steps []ref
	for _, k := range kinds {
		tools, steps = append(tools, ref{"#tool-" + string(k)}), append(steps, ref{"#step-" + string(k)})
	}
	table := c.add("#input-table", "FormalParameter", entity{"name": "data.path", "additionalType": "File", "conformsTo": ref{"https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"}})
	models := c.add("#input-checkpoint", "FormalParameter", entity{"name": "models.scales.checkpoint", "additionalType": "Dataset", "conformsTo": ref{"https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"}})
	page := c.add("#output-report", "FormalParameter", entity{"name": "report", "additionalType": "File", "conformsTo": ref{"https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"}})
	c.add("#cue", "ComputerLanguage", entity{"name": "CUE", "url": ref{"https://cuelang.org"}})
	c.add(f.id(), []string{"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"}, entity{
		"name": exp.Name, "sha256": fmt.Sprintf("%x", f.digest[:]), "contentSize": strconv.FormatInt(f.size, 10), "encodingFormat": "text/plain",
		"programmingLanguage": ref{"#cue"}, "input": []ref{table, models}, "output": []ref{page}, "hasPart": tools, "step": steps,
	})
}

// crateRun enters the run as a whole, and every outcome as an action.
func (s *session) crateRun(c *crate, actions []crateAction, report, experiment string, first, last time.Time) (run ref, mentions []ref) {
	var inputs []ref
	table := c.blob(path.Base(s.exp.Data.Path), s.tableDigest, -1)
	c.graph[len(c.graph)-1]["exampleOfWork"] = ref{"#input-table"}
	inputs = append(inputs, table)
	for _, m := range s.models {
		for _, sr := range m.series {
			if sr.weights == (ledger.Digest{}) {
				continue
			}
			id := "#checkpoint-" + sr.name()
			// No Dataset: that would be a folder of the archive.
			inputs = append(inputs, c.add(id, "CreativeWork", entity{
				"name": sr.name() + ": " + sr.scale.Checkpoint, "exampleOfWork": ref{"#input-checkpoint"},
				"hasPart": []ref{c.blob("digests of weights of "+sr.name(), sr.weights, -1)},
			}))
		}
	}
	fields := entity{"name": "run of " + s.exp.Name, "instrument": ref{fileID(experiment)}, "object": inputs, "startTime": timeText(first), "endTime": timeText(last)}
	if report != "" {
		fields["result"] = []ref{{fileID(report)}}
	}
	run = c.add("#run", "CreateAction", fields)
	for _, e := range c.graph {
		if e["@id"] == fileID(report) {
			e["exampleOfWork"] = ref{"#output-report"}
		}
	}
	entered := map[string]entity{}
	for _, a := range actions {
		o := a.entry.Outcome
		id := actionUUID(o)
		if twin := entered[id]; twin != nil { // does the same work, and makes files of its own
			made, _ := twin["result"].([]ref)
			for _, f := range a.files {
				if r := (ref{f.id()}); !slices.Contains(made, r) {
					made = append(made, r)
				}
			}
			if len(made) > 0 {
				twin["result"] = made
			}
			continue
		}
		fields := entity{
			"name": a.node.ID, "identifier": o.Action.String(), "instrument": ref{"#tool-" + string(a.node.Kind)},
			"description": fmt.Sprintf("by swaprun %s on %s", o.Tool, strings.TrimSpace(deviceText(o.Device))),
			"startTime":   timeText(o.Started), "endTime": timeText(o.Started.Add(o.Duration)), "actionStatus": ref{"http://schema.org/CompletedActionStatus"},
		}
		if o.Failed {
			fields["actionStatus"], fields["error"] = ref{"http://schema.org/FailedActionStatus"}, a.failure
		}
		var object, result []ref
		for _, d := range o.Key.Inputs() {
			if r := c.blob("input "+d.Short(), d, -1); !slices.Contains(object, r) {
				object = append(object, r)
			}
		}
		for _, f := range a.files {
			result = append(result, ref{f.id()})
		}
		for _, out := range o.Outputs {
			if len(a.files) > 0 {
				break // they are what it came to
			}
			if r := c.blob(a.node.ID+" "+out.Name, out.Digest, out.Size); !slices.Contains(result, r) {
				result = append(result, r)
			}
		}
		if len(object) > 0 {
			fields["object"] = object
		}
		if len(result) > 0 {
			fields["result"] = result
		}
		mentions = append(mentions, c.add(id, "CreateAction", fields))
		entered[id] = c.graph[len(c.graph)-1]
	}
	return run, mentions
}

// steps enters a tool, a step and a control action for each kind there is.
func (c *crate) steps(actions []crateAction) (kinds []Kind, controls []ref) {
	by := map[Kind][]ref{}
	seen := map[string]bool{}
	for _, a := range actions {
		id := actionUUID(a.entry.Outcome)
		if !seen[id] {
			seen[id] = true
			by[a.node.Kind] = append(by[a.node.Kind], ref{id})
		}
	}
	for _, k := range Kinds {
		if len(by[k]) == 0 {
			continue
		}
		kinds = append(kinds, k)
		tool := c.add("#tool-"+string(k), "SoftwareApplication", entity{"name": "swaprun " + string(k), "description": stepText[k], "softwareVersion": strconv.Itoa(kindVersion[k])})
		step := c.add("#step-"+string(k), "HowToStep", entity{"name": stepText[k], "position": strconv.Itoa(len(kinds)), "workExample": tool})
		controls = append(controls, c.add("#control-"+string(k), "ControlAction", entity{"name": "orchestrate " + string(k), "instrument": step, "object": by[k]}))
	}
	return kinds, controls
}
