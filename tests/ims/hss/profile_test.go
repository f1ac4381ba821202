package hss

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the pages of etc/ims anew")

// The pages of etc/ims are what the file of subscribers says. After a change:
//
//	go test ./tests/ims/hss -run TestPages -update
func TestPages(t *testing.T) {
	s := load(t)
	for name, want := range s.Pages("1000@ims.test", []string{"sip:1000@ims.test"}, s.ServiceProfiles["prepaid"].FilterCriteria[0]) {
		path := filepath.Join(filepath.Dir(file), name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s says; see above how to write it anew. It should be\n%s", path, file, want)
		}
	}
}

// grammar is CxDataType (TS 29.228, annex E, Release 8) as far as we write it: for
// an element, its children in their order, as an expression.
var grammar = map[string]string{
	"IMSSubscription":         "PrivateID (ServiceProfile )+",
	"ServiceProfile":          "(PublicIdentity )+(CoreNetworkServicesAuthorization )?(InitialFilterCriteria )*(Extension )?",
	"PublicIdentity":          "(BarringIndication )?Identity (Extension )?",
	"InitialFilterCriteria":   "Priority (TriggerPoint )?ApplicationServer (ProfilePartIndicator )?(Extension )?",
	"TriggerPoint":            "ConditionTypeCNF (SPT )+(Extension )?",
	"SPT":                     "(ConditionNegated )?(Group )+(RequestURI |Method |SIPHeader |SessionCase |SessionDescription )(Extension )?",
	"SIPHeader":               "Header (Content )?",
	"SessionDescription":      "Line (Content )?",
	"ApplicationServer":       "ServerName (DefaultHandling )?(ServiceInfo )?(Extension )?",
	"Extension":               "(IncludeRegisterRequest )?(IncludeRegisterResponse )?",
	"IncludeRegisterRequest":  "",
	"IncludeRegisterResponse": "",
}

// valid says whether a user profile keeps to the grammar.
func valid(profile []byte) error {
	d := xml.NewDecoder(bytes.NewReader(profile))
	type open struct{ name, children, text string }
	stack := []open{{}}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		top := &stack[len(stack)-1]
		switch token := token.(type) {
		case xml.StartElement:
			top.children += token.Name.Local + " "
			stack = append(stack, open{name: token.Name.Local})
		case xml.CharData:
			top.text += string(token)
		case xml.EndElement:
			want, parent := grammar[top.name]
			text := strings.TrimSpace(top.text)
			switch {
			case parent && (text != "" || !regexp.MustCompile("^("+want+")$").MatchString(top.children)):
				return fmt.Errorf("%s holds %q and the text %q", top.name, top.children, text)
			case !parent && (text == "" || top.children != ""):
				return fmt.Errorf("%s holds %q and the text %q", top.name, top.children, text)
			}
			stack = stack[:len(stack)-1]
		}
	}
	if stack[0].children != "IMSSubscription " {
		return fmt.Errorf("the document holds %q", stack[0].children)
	}
	return nil
}

// Each field of a file gets into the profile, at its place.
func TestUserData(t *testing.T) {
	s := load(t)
	s.ApplicationServers["other"] = ApplicationServer{ServerName: "sip:127.0.0.8:5060", DefaultHandling: SessionTerminated, ServiceInfo: "a < b",
		IncludeRegisterRequest: true, IncludeRegisterResponse: true}
	s.TriggerPoints["rows"] = TriggerPoint{ConditionType: DNF, SPT: []ServicePointTrigger{
		{Group: 0, Not: true, Method: "REGISTER"},
		{Group: 0, Header: "Supported", HeaderContent: "100rel"},
		{Group: 1, SessionCase: TerminatingUnregistered},
		{Group: 1, SessionDescription: "m", SessionDescriptionContent: "audio"},
	}}
	s.FilterCriteria["first"] = InitialFilterCriteria{TriggerPoint: "rows", ApplicationServer: "other", ProfilePart: WhileUnregistered}
	s.FilterCriteria["all"] = InitialFilterCriteria{ApplicationServer: "other"}
	s.ServiceProfiles["rich"] = ServiceProfile{FilterCriteria: []Attached{{"adcredit", 7}, {"first", 1}, {"all", 9}}}
	s.IMPUs["tel:+221"] = IMPU{IMPIs: []string{impi}, Barring: true, ServiceProfile: "rich", ImplicitSet: 1}
	if problems := s.Check(); problems != nil {
		t.Fatal(problems)
	}
	got := s.UserData(impi, []string{"tel:+221", impu})
	if err := valid(got); err != nil {
		t.Errorf("%v in\n%s", err, got)
	}
	text := string(got)
	at := 0
	for _, part := range []string{
		"<PrivateID>1000@ims.test</PrivateID>",
		"<BarringIndication>1</BarringIndication><Identity>tel:+221</Identity>",
		"<Priority>1</Priority><TriggerPoint><ConditionTypeCNF>0</ConditionTypeCNF>",
		"<SPT><ConditionNegated>1</ConditionNegated><Group>0</Group><Method>REGISTER</Method></SPT>",
		"<SIPHeader><Header>Supported</Header><Content>100rel</Content></SIPHeader>",
		"<Group>1</Group><SessionCase>2</SessionCase>",
		"<SessionDescription><Line>m</Line><Content>audio</Content></SessionDescription>",
		"<ServerName>sip:127.0.0.8:5060</ServerName><DefaultHandling>1</DefaultHandling><ServiceInfo>a &lt; b</ServiceInfo>",
		"<Extension><IncludeRegisterRequest></IncludeRegisterRequest><IncludeRegisterResponse></IncludeRegisterResponse></Extension></ApplicationServer><ProfilePartIndicator>1</ProfilePartIndicator>",
		"<Priority>7</Priority>",
		"<Priority>9</Priority><ApplicationServer>",
		"<BarringIndication>0</BarringIndication><Identity>sip:1000@ims.test</Identity>",
	} {
		i := strings.Index(text[at:], part)
		if i < 0 {
			t.Fatalf("no %s after octet %d of\n%s", part, at, text)
		}
		at += i
	}
}
