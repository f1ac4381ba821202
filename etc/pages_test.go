package etc_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An element of a user profile, as the schema of Cx has it: its children in their
// order, and those without which it says nothing.
type element struct {
	children, required []string
}

// The schema is CxDataType_Rel8.xsd of TS 29.228, annex E; below it Clearwater's
// own file of shared sets. Whoever reads a profile may go by the order.
var cxDataType = map[string]element{
	"IMSSubscription":                  {children: words("PrivateID ServiceProfile Extension"), required: words("PrivateID ServiceProfile")},
	"ServiceProfile":                   {children: words("PublicIdentity CoreNetworkServicesAuthorization InitialFilterCriteria Extension")},
	"ServiceProfile/Extension":         {children: words("SharedIFCSetID Extension")},
	"PublicIdentity":                   {children: words("BarringIndication Identity Extension"), required: words("Identity")},
	"PublicIdentity/Extension":         {children: words("IdentityType WildcardedPSI Extension")},
	"InitialFilterCriteria":            {children: words("Priority TriggerPoint ApplicationServer ProfilePartIndicator Extension"), required: words("Priority ApplicationServer")},
	"TriggerPoint":                     {children: words("ConditionTypeCNF SPT Extension"), required: words("ConditionTypeCNF SPT")},
	"SPT":                              {children: words("ConditionNegated Group RequestURI|Method|SIPHeader|SessionCase|SessionDescription Extension"), required: words("Group")},
	"SIPHeader":                        {children: words("Header Content Extension"), required: words("Header")},
	"SessionDescription":               {children: words("Line Content Extension"), required: words("Line")},
	"ApplicationServer":                {children: words("ServerName DefaultHandling ServiceInfo Extension"), required: words("ServerName")},
	"ApplicationServer/Extension":      {children: words("IncludeRegisterRequest IncludeRegisterResponse Extension")},
	"SharedIFCsSets":                   {children: words("SharedIFCsSet")},
	"SharedIFCsSet":                    {children: words("SetID InitialFilterCriteria"), required: words("SetID")},
	"CoreNetworkServicesAuthorization": {children: words("SubscribedMediaProfileId Extension")},
}

func words(line string) []string { return strings.Fields(line) }

// checkProfile reads one XML document and says what in it isn't as the schema has it.
func checkProfile(text string) error {
	type open struct {
		name string
		at   int // the child of the schema that stood last
		seen []string
	}
	var stack []open
	var errs []error
	root := false
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			if len(stack) == 0 {
				if root {
					return errors.New("more than one document")
				}
				root = true
				if _, known := cxDataType[name]; !known {
					return fmt.Errorf("%s is no document of Cx", name)
				}
				stack = append(stack, open{name: name})
				continue
			}
			parent := &stack[len(stack)-1]
			schema := cxDataType[parent.name].children
			at := slices.IndexFunc(schema, func(child string) bool { return slices.Contains(strings.Split(child, "|"), name) })
			switch {
			case at < 0:
				errs = append(errs, fmt.Errorf("%s in %s: the schema has none there", name, parent.name))
			case at < parent.at:
				errs = append(errs, fmt.Errorf("%s in %s stands behind %s", name, parent.name, schema[parent.at]))
			case at == parent.at && strings.Contains(schema[at], "|") && len(parent.seen) > 0 && strings.Contains(schema[at], parent.seen[len(parent.seen)-1]):
				errs = append(errs, fmt.Errorf("%s in %s: a second condition", name, parent.name))
			default:
				parent.at = at
			}
			parent.seen = append(parent.seen, name)
			if name == "Extension" {
				name = parent.name + "/Extension"
			}
			stack = append(stack, open{name: name})
		case xml.EndElement:
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, child := range cxDataType[last.name].required {
				if !slices.Contains(last.seen, child) {
					errs = append(errs, fmt.Errorf("%s has no %s", last.name, child))
				}
			}
		}
	}
	if !root {
		errs = append(errs, errors.New("no document"))
	}
	return errors.Join(errs...)
}

// The check itself: what it must not let pass.
func TestCheckProfile(t *testing.T) {
	ok := `<ServiceProfile><PublicIdentity><Identity>sip:1</Identity></PublicIdentity><InitialFilterCriteria><Priority>0</Priority>` +
		`<TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF><SPT><Group>0</Group><Method>INVITE</Method></SPT></TriggerPoint>` +
		`<ApplicationServer><ServerName>sip:as</ServerName></ApplicationServer></InitialFilterCriteria></ServiceProfile>`
	if err := checkProfile(ok); err != nil {
		t.Error(err)
	}
	for _, change := range [][3]string{
		{"order", "<Group>0</Group><Method>INVITE</Method>", "<Method>INVITE</Method><Group>0</Group>"},
		{"required", "<Group>0</Group>", ""},
		{"unknown", "<Priority>0</Priority>", "<Priority>0</Priority><Prio>0</Prio>"},
		{"two conditions", "<Method>INVITE</Method>", "<Method>INVITE</Method><SessionCase>0</SessionCase>"},
		{"not closed", "</ServiceProfile>", ""},
		{"no root", ok, "nothing"},
		{"FHoSS's shared set", "</ServiceProfile>", "<Extension><Extension><SharedIFCSetID>1</SharedIFCSetID></Extension></Extension></ServiceProfile>"},
	} {
		if err := checkProfile(strings.Replace(ok, change[1], change[2], 1)); err == nil {
			t.Errorf("%s: passed", change[0])
		}
	}
}

var block = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// pages are the pages about IMS cores, with what they show as blocks, by kind.
func pages(t *testing.T) map[string]map[string][]string {
	t.Helper()
	files, err := filepath.Glob("ims/*.md")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d pages in ims, %v", len(files), err)
	}
	blocks := map[string]map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks[file] = map[string][]string{}
		for _, found := range block.FindAllStringSubmatch(string(text), -1) {
			blocks[file][found[1]] = append(blocks[file][found[1]], found[2])
		}
	}
	return blocks
}

// What an operator copies from the pages can be read by whom it is for.
func TestPagesBlocks(t *testing.T) {
	for file, kinds := range pages(t) {
		for i, text := range kinds["xml"] {
			if err := checkProfile(text); err != nil {
				t.Errorf("%s, XML block %d: %v", file, i+1, err)
			}
		}
		for i, text := range kinds["json"] {
			var object map[string]any
			if err := json.Unmarshal([]byte(text), &object); err != nil {
				t.Errorf("%s, JSON block %d: %v", file, i+1, err)
			}
			for name, value := range object {
				if text, is := value.(string); is && strings.HasPrefix(text, "<") {
					if err := checkProfile(text); err != nil {
						t.Errorf("%s, JSON block %d, %s: %v", file, i+1, name, err)
					}
				}
			}
		}
	}
	got := pages(t)
	for file, want := range map[string]map[string]int{
		"ims/fhoss.md":      {"xml": 1},
		"ims/pyhss.md":      {"xml": 1, "json": 7},
		"ims/clearwater.md": {"xml": 3, "json": 1, "sh": 1, "kamailio": 1},
	} {
		for kind, n := range want {
			if len(got[file][kind]) != n {
				t.Errorf("%s: %d blocks of %s, want %d", file, len(got[file][kind]), kind, n)
			}
		}
	}
}

// Each page says at its top what was tried, and its links lead somewhere.
func TestPagesAreHonest(t *testing.T) {
	for file := range pages(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if name := filepath.Base(file); slices.Contains(words("fhoss.md pyhss.md clearwater.md"), name) {
			head, _, _ := strings.Cut(text, "\n## ")
			for _, line := range []string{"**Tested here**", "**Not tested**"} {
				if !strings.Contains(head, line) {
					t.Errorf("%s: no %s at its top", file, line)
				}
			}
		}
		for _, name := range all(`\]\[([a-z]+)\]`, text) {
			if !strings.Contains(text, "\n["+name+"]: https://") {
				t.Errorf("%s: no link for [%s]", file, name)
			}
		}
		for _, name := range all(`(?m)^\[([a-z]+)\]: `, text) {
			if !strings.Contains(text, "]["+name+"]") {
				t.Errorf("%s: nothing points to [%s]", file, name)
			}
		}
	}
}
