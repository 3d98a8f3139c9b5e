package starling_test

// This file is the habits of tidy_test.go about what stands where: packages and decisions.

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms are the packages below gossip, from the ground up. None imports one of its own floor or of
// a higher one. That the core imports nothing but the standard library is held by test/purity.
var rooms = [][]string{
	{"invariants", "mono", "marks", "siphash"},
	{"member", "rate"},
	{"wire", "topology", "rumor", "sketch"},
	{"plane"},
	{"detect", "flow", "plane/planetest", "settings"},
	{"counter", "detect/detecttest", "roster"},
	{"accrual", "alarms", "called", "coords", "door", "heartbeat", "inquest", "multicast", "quota",
		"reach", "reconcile", "state", "stream", "swim", "upkeep", "ways"}, // the planes
	{"."}, // the node
}

func imports(t *testing.T, a *tree) findings {
	floors := map[string]int{}
	for i, floor := range rooms {
		for _, r := range floor {
			floors[r] = i
		}
	}
	found := findings{}
	for _, s := range a.files {
		room, core := s.room()
		if !core || s.isTest() {
			continue
		}
		floor, known := floors[room]
		if !known {
			floors[room] = len(rooms) // said once
			t.Errorf("gossip/%s has no place in rooms", room)
			continue
		}
		for _, spec := range s.ast.Imports {
			target, _ := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`),
				modulePath+"internal/")
			other := strings.TrimPrefix(target, "gossip/")
			if target == "gossip" {
				other = "."
			} else if other == target {
				continue
			}
			if floors[other] >= floor {
				if name := room + ">" + other; found[name] == nil {
					found.add(name, 1, a.place(spec))
				}
			}
		}
	}
	return found
}

var (
	decisionFile  = regexp.MustCompile(`^(\d{4})-[a-z0-9-]+\.md$`)
	decisionTitle = regexp.MustCompile(`^# (\d+)\. (.+)\n`)
	decisionGap   = regexp.MustCompile(`(?m)^(\d+)\. No page: \S.*$`)
)

// decisions holds that each has its number, its place in the index and a sentence there, and that
// the index explains each number without a page.
func decisions(t *testing.T) {
	const dir = "docs/decisions"
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	index := string(text)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	files := map[int]string{}
	for _, e := range entries {
		if e.Name() == "README.md" {
			continue
		}
		m := decisionFile.FindStringSubmatch(e.Name())
		if m == nil {
			wrong = append(wrong, e.Name()+" is not named as 0042-in-few-words.md")
			continue
		}
		n, _ := strconv.Atoi(m[1])
		page, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		title := decisionTitle.FindStringSubmatch(string(page))
		switch {
		case files[n] != "":
			wrong = append(wrong, fmt.Sprintf("%s and %s have one number", files[n], e.Name()))
		case title == nil || title[1] != strconv.Itoa(n):
			wrong = append(wrong, fmt.Sprintf("%s does not begin with %q", e.Name(),
				fmt.Sprintf("# %d. Title", n)))
		case !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(fmt.Sprintf("%d. [%s](%s): ", n,
			title[2], e.Name())) + `\S.*\.$`).MatchString(index):
			wrong = append(wrong, fmt.Sprintf("the index lacks %q",
				fmt.Sprintf("%d. [%s](%s): A SENTENCE.", n, title[2], e.Name())))
		}
		files[n] = cmp.Or(files[n], e.Name())
	}
	gaps := map[int]bool{}
	for _, m := range decisionGap.FindAllStringSubmatch(index, -1) {
		n, _ := strconv.Atoi(m[1])
		if gaps[n] = true; files[n] != "" {
			wrong = append(wrong, fmt.Sprintf("the index says that %d has no page, and it has", n))
		}
	}
	for n := range len(files) + len(gaps) {
		if n++; files[n] == "" && !gaps[n] {
			wrong = append(wrong, fmt.Sprintf("the number %d is left out: the index lacks %q",
				n, fmt.Sprintf("%d. No page: WHY.", n)))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		t.Errorf("rule: decisions are numbered, and each is in the index in a sentence\nreason: "+
			"code and pages cite them by number, and a gap looks like a page that was lost\n%s",
			strings.Join(wrong, "\n"))
	}
}
