/** What the recordings of docker's client (../docker-client.test.ts) do not reach: corners, and errors. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluate } from './evaluate.ts';
import { functionNames } from './functions.ts';
import { parseTemplate } from './parser.ts';

const data = {
  Name: 'web',
  Count: 3,
  Ratio: 0.5,
  On: true,
  Off: false,
  Nothing: null,
  List: ['a', 'b', 'c'],
  Numbers: [3, 1, 2],
  Empty: [],
  Map: { b: 2, a: 1 },
  Deep: { Er: { Value: 'x' } },
  Label: (key: unknown) => `label ${String(key)}`,
};

function render(source: string, value: unknown = data): string {
  return evaluate(parseTemplate(source, functionNames), value, {
    maps: new Set(['Map']),
    optional: new Set(['Maybe']),
  });
}

test('values print as Go prints them', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{{.Name}} {{.Count}} {{.Ratio}} {{.On}}', 'web 3 0.5 true'],
    ['{{.List}} {{.Map}} {{.Empty}} {{.Nothing}}', '[a b c] map[a:1 b:2] [] <nil>'],
    ['{{.Map.missing}} {{.Maybe}}', '<no value> <nil>'],
    ['{{.Deep.Er.Value}} {{(.Deep).Er.Value}} {{$.Name}}', 'x x web'],
    ['{{json .Map}} {{json .Name}} {{json .Nothing}} {{json "<&>"}}', '{"b":2,"a":1} "web" null "<&>"'],
    ['{{.Label "app"}} {{.Label}}', 'label app label undefined'],
  ];
  for (const [source, expected] of cases) assert.equal(render(source), expected, source);
});

test('control flow, variables and trimming', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{{if .Off}}a{{else if .Count}}b{{else}}c{{end}}', 'b'],
    ['{{with .Nothing}}x{{else}}none{{end}}{{with .Name}}[{{.}}]{{end}}', 'none[web]'],
    ['{{range .List}}{{.}},{{end}}', 'a,b,c,'],
    ['{{range $i, $v := .List}}{{$i}}={{$v}} {{end}}', '0=a 1=b 2=c '],
    ['{{range $k, $v := .Map}}{{$k}}{{$v}}{{end}}', 'a1b2'],
    ['{{range .Empty}}x{{else}}nobody{{end}}', 'nobody'],
    ['{{range .List}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}', 'ac'],
    ['{{range .List}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', 'a'],
    ['{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}', '2'],
    ['{{$x := .Name}}{{with .Deep}}{{$x}}{{end}}', 'web'],
    ['a {{- .Name -}} b', 'awebb'],
    ['a {{/* nothing */}} b{{- /* trimmed */ -}} c', 'a  bc'],
    ['{{range 3}}{{.}}{{end}}', '012'],
  ];
  for (const [source, expected] of cases) assert.equal(render(source), expected, source);
});

test('functions and pipelines', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{{.Name | upper | printf "%s-%s" "a" | len}}', '5'],
    [
      '{{printf "%5s|%-5s|%05d|%x|%q|%.2f|%v|%%" "a" "b" 42 255 "c" 1.5 .List}}',
      '    a|b    |00042|ff|"c"|1.50|[a b c]|%',
    ],
    ['{{index .List 1}} {{index .Map "a"}} {{index .Map "z"}}', 'b 1 '],
    ['{{slice .Name 1}} {{slice .List 1 2}}', 'eb [b]'],
    [
      '{{eq .Count 3}} {{eq .Name "a" "web"}} {{ne 1 2}} {{lt 1 2}} {{ge "b" "a"}} {{gt 1 2}} {{le 2 2}}',
      'true true true true true false true',
    ],
    ['{{and .On .Name}} {{or .Off ""}}{{or .Nothing "z"}} {{not .Off}}', 'web z true'],
    ['{{if and .Nothing .Nothing.Deeper}}x{{else}}safe{{end}}', 'safe'],
    [
      '{{join .List "-"}} {{join .Map "+"}} {{split "a,b" ","}} {{title "ab cd"}} {{lower "AB"}}',
      'a-b-c 1+2 [a b] Ab Cd ab',
    ],
    ['{{println "a" 1}}', 'a 1\n'],
    [
      '{{print 1 2 "x" 3}} {{html "<a>"}} {{urlquery "a b"}} {{truncate "abcdef" 3}} {{pad "x" 1 2}}|',
      '1 2x3 &lt;a&gt; a+b abc  x  |',
    ],
    ['{{`raw \\n`}} {{"tab\\t\\u00e9"}} {{\'a\'}} {{0x10}} {{-2}} {{1e3}}', 'raw \\n tab\té 97 16 -2 1000'],
  ];
  for (const [source, expected] of cases) assert.equal(render(source), expected, source);
});

test('mistakes are named', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['{{.Nope}}', /map has no entry for key "Nope"/],
    ['{{.Nothing.X}}', /nil pointer evaluating \.X/],
    ['{{.Name.X}}', /can't evaluate field X in type string/],
    ['{{nope}}', /function "nope" not defined/],
    ['{{.Name', /unclosed action/],
    ['{{if .Name}}', /unexpected EOF/],
    ['{{end}}', /unexpected \{\{end\}\}/],
    ['{{"x}}', /unterminated quoted string/],
    ['{{.Name 1}}', /can't give argument to non-function \.Name/],
    ['{{index .List 9}}', /index out of range/],
    ['{{upper 1}}', /wrong type for value; expected string/],
    ['{{lt 1 "a"}}', /incompatible types/],
    ['{{(.Name}}', /unclosed left paren/],
    ['{{.Name)}}', /unexpected "\)"/],
    ['{{template "x"}}', /\{\{template\}\} is not supported/],
    ['{{$nope}}', /undefined variable "\$nope"/],
    ['{{range .Name}}{{end}}', /range can't iterate over web/],
    ['{{if}}{{end}}', /missing value for if/],
    ['{{.Name |}}', /missing value for command/],
  ];
  for (const [source, message] of cases) {
    assert.throws(
      () => render(source),
      (error: Error) => error.name === 'TemplateError' && message.test(error.message),
      source,
    );
  }
});
