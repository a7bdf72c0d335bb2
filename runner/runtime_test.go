package runner

import (
	"context"
	"strings"
	"testing"

	"swaprun/extract/ort"
	"swaprun/ledger"
)

// TestRuntimeIsRemembered: the version of the library is taken from the memo, and a memo that is wrong cannot give
// queries of one version the name of another.
func TestRuntimeIsRemembered(t *testing.T) {
	exp, opts := smallRun(t)
	led := openLedger(t, opts.Ledger)
	path, _, err := ort.Find()
	if err != nil {
		t.Fatal(err)
	}
	stamp, trusted, err := led.FileStamp(path)
	if err != nil {
		t.Fatal(err)
	}
	if !trusted {
		t.Skip("NOT TESTED: the library's stamp is not trusted here")
	}
	memo := led.Memo(runtimeMemo)
	version, err := ort.Version()
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := memo.Get(stamp.Bytes()); string(got) != version {
		t.Errorf("remembered %q, expected %q", got, version)
	}
	memo.Put(stamp.Bytes(), []byte("0.9.0"))
	before, err := led.Len()
	if err != nil {
		t.Fatal(err)
	}
	if err := led.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Run(context.Background(), exp, opts)
	if err == nil || !strings.Contains(err.Error(), version) || !strings.Contains(err.Error(), "0.9.0") {
		t.Errorf("run: %v, expected it to name both versions", err)
	}
	if sum, err := Run(context.Background(), exp, opts); err != nil || sum.Total.Ran > 0 {
		t.Errorf("the run after that: %+v, %v, expected hits only", sum, err)
	}
	led, err = ledger.Open(opts.Ledger, ledger.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer led.Close()
	if after, err := led.Len(); err != nil || after != before+1 {
		t.Errorf("%d entries, %v, expected %d: only the second run is recorded", after, err, before+1)
	}
}
