package harness_test

import (
	"os"
	"strings"
	"testing"

	"linkspan/internal/harness"
)

const sample = "# T\n```sql\nUSE MASTER\nSELECT '<Name>'\nGO\nSELECT 2\n go \n```\ntext\n```powershell\n" +
	"$Sub = \"<Your>\"\n$uriFull = \"https://x/\" + $Sub + \"/a?v=1\"\n" +
	"$bodyFull = \"{ `\"p`\":`\"$Blob`\" }\"\nInvoke-WebRequest -Method PUT -Uri $uriFull\n```\n"

func TestDocument(t *testing.T) {
	blocks, err := harness.Blocks(sample)
	if err != nil || len(blocks) != 2 || blocks[0].Lang != "sql" || blocks[1].Line != 10 {
		t.Fatalf("Blocks = %+v, %v", blocks, err)
	}
	sql, err := harness.Fill(blocks[0].Text, map[string]string{"Name": "it"})
	if err != nil {
		t.Fatal(err)
	}
	if b := harness.Batches(sql); len(b) != 2 || !strings.Contains(b[0], "SELECT 'it'") || strings.TrimSpace(b[1]) != "SELECT 2" {
		t.Errorf("Batches = %q", b)
	}
	if _, err := harness.Fill(blocks[0].Text, nil); err == nil || !strings.Contains(err.Error(), "<Name>") {
		t.Errorf("a missing value gives %v", err)
	}
	r, err := harness.ScriptRequest(blocks[1].Text, map[string]string{"Sub": "s1", "Blob": "0x12"})
	if err != nil || r.Method != "PUT" || r.URI != "https://x/s1/a?v=1" || r.Body != `{ "p":"0x12" }` {
		t.Errorf("ScriptRequest = %+v, %v", r, err)
	}
	if _, err := harness.Blocks("```sql\nSELECT 1"); err == nil {
		t.Error("an open block is accepted")
	}
}

// The first seed's two requests come out of its own text.
func TestSeedRequests(t *testing.T) {
	md, err := os.ReadFile("../../../shared/seeds/000_eab359f14746eb62.txt")
	if err != nil {
		t.Skip("the seed documents of ../shared are absent")
	}
	blocks, err := harness.Blocks(string(md))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"SubscriptionID": "sub", "ManagedInstanceName": "mi", "certificateName": "Cert_a", "PublicKeyEncoded": "0xAB",
		"miRG": "rg", "AGName": "ag", "DAGName": "dag", "DatabaseName": "db", "SQLServerAddress": "127.0.0.1"}
	var got []harness.Request
	for _, b := range blocks {
		if b.Lang == "powershell" {
			r, err := harness.ScriptRequest(b.Text, values)
			if err != nil {
				t.Fatalf("line %d: %v", b.Line, err)
			}
			got = append(got, r)
		}
	}
	if len(got) != 2 {
		t.Fatalf("%d requests, want 2", len(got))
	}
	if want := `{ "properties":{ "PublicBlob":"0xAB" } }`; got[0].Body != want {
		t.Errorf("body %s, want %s", got[0].Body, want)
	}
	if !strings.Contains(got[1].Body, "\"SourceEndpoint\":\"TCP://127.0.0.1:5022\"") || !strings.Contains(got[1].Body, "\"mi\",\n    }") {
		t.Errorf("the second body is not the document's: %s", got[1].Body)
	}
}
