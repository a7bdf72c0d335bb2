#!/usr/bin/env python3
"""Jinja templates and what transformers renders them to.

    chat_templates.py FILE… OUT.json

FILEs are JSON files with a member chat_template (the test checkpoints' ones). Needs jinja2 3.1.6 and transformers
4.57.6, whose environment is used (_compile_jinja_template). Written: "vars", the variables; "cases", a list of
[source, text, variables if they differ], source null where it is the one before, text null where rendering fails;
"refused", the same for what the reference renders, but not reproducibly or not worth having.
"""
import json
import random
import sys
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template as compile_template

IMAGE = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is it {{left}}?"}]}]
TURNS = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}, {"role": "assistant", "content": "A"},
         {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "x"}]}]
CHATS = [IMAGE, TURNS, TURNS[:3], TURNS[1:3], [{"role": "user", "content": "hi"}], [{"role": "user", "content": None}], []]
TOOLS = [{"type": "function", "function": {"name": "f", "x": [1, 2.0, None, True, "é\"\n<"]}}]

VARS = {"m": [1, 2, 3], "d": {"b": 1, "a": "<é>", "n": None, "l": [1, [2.5, {"k": True}]]}, "s": "  Hello World  ", "e": [], "n": None,
        "t": True, "u": "ab\ncd\n", "dd": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"b": "z"}], "f": 1.5, "messages": IMAGE,
        "nested": {"items": 5, "x": {"y": [10, 20]}}}

# In the manner of released templates.
CHAT_TEMPLATES = ["""{%- if tools %}
    {{- '<sys>\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'A helper.' }}
    {%- endif %}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<sys>\\n' + messages[0]['content'] + '</sys>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.calls) %}
        {{- '<' + message.role + '>\\n' + message.content + '</>' + '\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<user>' | safe | nofilter }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<assistant>\\n' }}
{%- endif %}
""", """{%- set ns = namespace(open=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.open and message.role == "user" and message.content is string and not(message.content.startswith('<t>') and message.content.endswith('</t>')) %}
        {%- set ns.open = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{{ ns.last }}{{ ns.open }}""", """{% for message in messages %}{%- if (loop.index % 2 == 1 and message['role'].lower() != 'user') or (loop.index % 2 == 0 and message['role'].lower() != 'assistant') -%}{{ raise_exception('roles must alternate') }}{%- endif -%}{{ message['role'].capitalize() + ': ' + (message['content'] if message['content'] is string else '') }}{% if not loop.last %}{{ ' ' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ ' Assistant:' }}{% endif %}""",
]

# Each within {{ }}.
EXPRESSIONS = [
    'm[0]', 'm[-1]', 'm[5]', 'm[1:]', 'm[::-1]', 'm[:2]', 'm[-2:]', 'm[::2]', 'm[5:]', 'm[2:0:-1]', 'm[-10:10]', 's[2:5]', 's[-3]', "'héllo'[1]",
    'd.a', "d['a']", 'd.zz', 'd.n', 'n.x', 'm.zz', "nested['items']", 'nested.x.y[1]', 'nested.x.y.0', 'zz', '1+2', '7/2', '7//2', '-7//2', '-7%3',
    '7%-3', '2**10', '2**-1', '2**3**2', '-2**2', '1.5+1', '0.1+0.2', '1e20', '1e-7', '123456789.0', '1/3', '10//3.0', '7.5%2', "'a'*3", "3*'a'",
    '[1]*2', "'a'~1~none", '(1,2)+(3,)', '[1]+[2]', '1+true', '-f', '-t', '1<2<3', '1<2>3', '1==1.0', '1==true', "'a'<'b'", '[1,2]<[1,3]',
    'none==none', 'zz==yy', 'zz==none', "'a'!='b'", "1=='1'", '(1,2)==[1,2]', "d=={'b':1}", '1,2', '(1,)', '()', '[]', '{}', "[1,'a',none,true,1.0]",
    '{\'a\':"it\'s",\'b\':\'q"\\\\\'\',\'c\':\'\\\\n\'}', 'd', "(1,'x')", 't|string', 'n|string', 'f|string', 's|trim', 's|upper', 's|lower',
    's|length', 'm|length', 'e|length', 'zz|length', 'd|length', 'm|join', "m|join(',')", "m|join(',", "')|upper", "'abc'|join('-')", 'm|first',
    'm|last', "e|first|default('q')", "zz|default('x')", 'zz|d', "''|d('x')", "''|d('x',true)", "''|default('x',boolean=true)", "n|default('x')",
    'd|tojson', 'm|tojson', 's|tojson', 'f|tojson', 'n|tojson', 't|tojson', 'd|tojson(indent=2)', 'e|tojson(indent=4)', 'd|tojson(sort_keys=true)',
    '\'é\\\\u2028😀"\\\\\\\\/<>\'|tojson', "{'a':1e22}|tojson", '(1,2)|tojson', "'😀é'|tojson(ensure_ascii=true)", "'a-b-c'|replace('-','+')",
    "'a-b-c'|replace('-','+',1)", "'abc'|reverse", 'm|reverse|list', "'abc'|list", 'd|list', 'd|items|list', "'42'|int", "'x'|int", "'x'|int(7)",
    "'3.9'|int", '3.9|int', "'2.5'|float", '-3|abs', "'hello_world'|capitalize", "'ABC'|capitalize", "dd|map(attribute='b')|list",
    "dd|map(attribute='a')|list", "dd|map(attribute='a',default=0)|list", "dd|selectattr('a','defined')|list", "dd|selectattr('a','equalto',1)|list",
    "dd|rejectattr('a')|list", "m|select('odd')|list", "m|reject('odd')|list", "m|map('string')|join('.')", "m|select('gt',1)|list",
    "['a','b']|map('upper')|list", "m|select('in',[1,2])|list", 's.strip()', 's.lstrip()', 's.rstrip()', "'xxaxx'.strip('x')", "'a,b,c'.split(',')",
    "'a,b,c'.split(',')[-1]", "'a,b,c'.split(',',1)", "'a,b,c'.rsplit(',',1)", "'\\\\ta\\\\tb\\\\t'.split()", "''.split()", "''.split(',')",
    "'abc'.startswith('a')", "'abc'.startswith(('x','a'))", "'abc'.endswith('c')", "'abc'.find('c')", "'éab'.find('b')", "'abc'.find('z')",
    "'abcabc'.rfind('b')", "'abc'.replace('b','')", "'abc'.replace('','-')", "'a\\\\nb\\\\r\\\\nc\\\\n'.splitlines()", "'aXa'.count('a')",
    "','.join(['a','b'])", "'abc'.removeprefix('a')", "'abc'.removesuffix('c')", "'ß'.upper()", "'ABC'.lower()", "'12'.isdigit()", "''.isdigit()",
    "'a1'.isalpha()", "'abc'.index('c')", "'abc'.index('z')", "'hELLO", "wORLD'.capitalize()", 'd.items()|list',
    'd.keys()|list', 'd.values()|list', "d.get('a')", "d.get('q')", "d.get('q',3)", "d.pop('a')", 'm.append(1)', 'm.index(2)', 'm.count(1)',
    'namespace(a=1).a', 'dict(a=1,b=2)', 'range(3)|list', 'range(1,7,2)|list', 'range(3,0,-1)|list', 'range(200000)|length', '1 in [1]',
    "'a' in 'abc'", "'a' in d", "1 in 'abc'", "'x' in zz", "'a' not in d", 'not 1 in [1]', 'not t', 't and f', 't or zz', "zz or 'q'", 'n and 1',
    "'a' if t", "'a' if n", "'a' if n else 'b'", "'a' if n else 'b' if n else 'c'", 't is true', 't is boolean', '1 is number', '1 is integer',
    't is integer', '1.0 is float', '1.0 is number', "'s' is string", 'd is mapping', 'm is sequence', 's is sequence', 'd is sequence',
    'm is iterable', 'n is iterable', 'n is none', 'zz is none', 'zz is defined', 'zz is undefined', 'zz is not defined', 'd.zz is defined',
    'n is not none', '3 is odd', '3 is even', '9 is divisibleby 3', '9 is divisibleby(4)', '1 is eq 1', '1 is sameas_1', '2_is in [2]',
    'm is callable', 'range is callable', '3 is gt(2)', 't is string or t', 't is defined and zz is not defined', 'zz.a', "zz['a']", 'zz+1', 'zz~1',
    'zz|upper', 'zz()', '-zz', 'zz|tojson', 'zz[0:1]', 'n+1', "'a'+1", "1+'a'", '[1]+(2,)', 'n|length', '1|length', 'n[0]', '5[0]', 'd[1]', "s['x']",
    "'a'%1", 'm(1)', 'n()', "{'a':1,'a':2}", '1//0', '1%0', '1/0', '1.0/0', "'a'-'b'", "raise_exception('no')", 'loop', 'loop.index', 'm.sort()',
    '007', '1.5.x', 'foo|nofilter', 't is notest', '(1,2)[0]', "('a')", "('a',)[0]", '"a"|upper~"b"|lower', '1+2*3-4', '(1+2)*3', 'not not t',
    '1 if true else 2+3', '-1|abs', '(-1)|abs', '2-1-1', '8/2/2', "'a'~'b'*2", '1~2+3', 'm[1]+m[2]', 'm|length-1', 'm|length>2', 'm|length == 3',
    'd.l[1][1].k', "d['l'][1][0]", 'strftime_now is defined and 1',
]

STATEMENTS = [
    "{% for x in m %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a','b') }}|{% endfor %}",
    '{% for x in e %}a{% else %}none{% endfor %}', '{% for x in zz %}a{% else %}none{% endfor %}', '{% for x in n %}a{% endfor %}',
    '{% for x in 5 %}a{% endfor %}', "{% for c in 'abc' %}{{ c }}-{% endfor %}", '{% for k in d %}{{ k }}{% endfor %}',
    '{% for k,v in d.items() %}{{ k }}={{ v }};{% endfor %}', '{% for k,v in d|items %}{{ k }};{% endfor %}',
    '{% for a,b in [(1,2),(3,4)] %}{{ a+b }}{% endfor %}', '{% for a,b in [(1,2,3)] %}{% endfor %}',
    '{% for x in m if x != 2 %}{{ loop.index }}:{{ x }}{{ loop.last }}{% endfor %}', '{% for x in m if x > 9 %}{% else %}no{% endfor %}',
    '{% for x in m %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}',
    '{% for x in m %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}',
    '{% for x in m %}{% for y in m %}{{ loop.depth }}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}',
    '{% set x = 1 %}{% for y in m %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}',
    '{% set ns = namespace(x=1) %}{% for y in m %}{% set ns.x = ns.x + y %}{% endfor %}{{ ns.x }}{{ ns.zz }}', '{% set d.x = 1 %}',
    '{% set a, b = 1, 2 %}{{ a }}{{ b }}', '{% set a = 1, 2 %}{{ a }}', '{% set a %}x{{ f }}y{% endset %}[{{ a }}]',
    '{% if t %}{% set q = 5 %}{% endif %}{{ q }}',
    "{% macro f(a, b='d', c=none) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ f(1) }}{{ f('q', c=2) }}{{ f() }}",
    '{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1,2) }}', '{% macro f(a) %}{{ a }}{% endmacro %}{{ f(b=2) }}',
    '{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(5) }}',
    '{% set g = 7 %}{% macro f() %}{{ g }}{{ m|length }}{% endmacro %}{% set g = 8 %}{{ f() }}',
    "{% macro f() %}x{% endmacro %}{{ f()|upper ~ 'y' }}", "{% macro f(c) -%}\n  {{ c }}\n{%- endmacro %}\n{{ f('q') }}",
    '{% generation %}a{{ f }}{% endgeneration %}', '{% generation -%} a {%- endgeneration %}',
    '{% if zz %}a{% elif n %}b{% elif t %}c{% else %}d{% endif %}', '{% if not zz %}a{% endif %}',
    '{% if zz is defined and zz %}a{% else %}b{% endif %}', '{% if m %}{% if e %}1{% else %}2{% endif %}{% endif %}', "{% include 'x' %}",
    "{% import 'x' as y %}", "{% extends 'x' %}", '{% do m %}', '{% if %}', '{% for %}', '{% endif %}', '{{ }}', '{{ 1 2 }}', '{% if t %}', '{# a',
    "{{ 'a", '{{ m[ }}', '{{ m[1}} }}', '{{ (1 }}', '{% set true = 1 %}', '{% break %}', "{{ bos_token }}{{ eos_token|default('') }}",
    '{%- for x in m -%}\n  {{- x -}}\n{%- endfor -%}\n', "{{ s|trim('H ') }}", '{{ s.strip(none) }}',
    '{{ loop }}{% for x in [1] %}{{ loop.zz }}{% endfor %}', "{{ 'x' if t is defined }}", '{{ 1 is defined is defined }}',
    "{% if 'a' in d and d.a is string and d['a'] is not none %}y{% endif %}", '{% if (t or f) and not (n) %}z{% endif %}', "{{ '' ~ d.n ~ zz }}",
    "{{ [1,2,]|length }}{{ {'a':1,}|length }}", '{{ (1,2,)|length }}', '{{ f if f else m }}', "{{ dd[0]['b'] + dd[1].b }}", '{%-if t-%}x{%-endif-%}',
    '{{-f-}}', 'a\r\nb\r', '{% raw %}{{ x }}{% endraw %}y', 'a\n {% raw %}\n{% if %}\n {% endraw %}\nb', '{%- raw -%} \n q {%- endraw -%} z',
    '{% raw %} {% endraw -%}  q', "a {{ '}}' }} b", "{{ {'a':{'b':1}}.a.b }}", "{{ {'a':{'b':1}} }}", "{{ '%}' }}", '{ { x } }', '{', 'a{',
    "{{ 'a' 'b' }}", '{{ "it\'s" }}', "{{ '\\n\\t\\x41\\u00e9\\\\q\\q' }}",
]

# The reference renders these.
REFUSED = [
    "{{ 'a' is lower }}", '{{ {1:2} }}', '{{ d.__class__ }}', "{{ ''.__class__ }}", "{{ 'a'.format(1) }}", '{{ self.x }}', '{{ 1_000 }}',
    '{{ 0x10 }}', '{{ 99999999999999999999 }}', '{{ 9223372036854775807+1 }}', '{{ f|round }}', "{{ 's'|e }}", "{{ 's'|safe }}",
    '{% block a %}q{% endblock %}', '{% with %}{% endwith %}', '{% raw %}', '{% for x in m recursive %}{{ x }}{% endfor %}', '{{ 1if t else 2 }}',
    "{{ strftime_now('%Y')|length }}",
]

SPACES = ["", "\n", " ", "\n\n", "  \n  ", " x ", "\n x\n"]
BEGINS = ["{% if t %}", "{%- if t %}", "{%- if t -%}", "{% if t -%}", "{%+ if t %}", "{% if t +%}"]
MIDDLES = ["{{ f }}", "{{- f }}", "{{ f -}}", "{{- f -}}", "{# c #}", "{#- c -#}", "{# c -#}", "{#+ c +#}", "y", "{% raw %}{{ {% endraw %}", "{%- raw -%} q {%- endraw -%}"]
ENDS = ["{% endif %}", "{%- endif %}", "{% endif -%}", "{%+ endif +%}"]


def sources():
    yield from ("{{ " + e + " }}" for e in EXPRESSIONS)
    yield from STATEMENTS
    rng = random.Random(1)
    for _ in range(250):
        yield "".join(rng.choice(options) for options in (SPACES, BEGINS, SPACES, MIDDLES, SPACES, ENDS, SPACES))


def render(source, variables):
    try:
        return compile_template(source).render(**variables)
    except Exception:
        return None


def main():
    *files, out = map(Path, sys.argv[1:])
    cases = [[s, render(s, VARS)] for s in sources()]
    templates = CHAT_TEMPLATES + [json.loads(f.read_text(encoding="utf-8"))["chat_template"] for f in files]
    for source in templates:
        first = True
        for chat in CHATS:
            for more in ({"add_generation_prompt": True}, {"add_generation_prompt": False}, {"add_vision_id": True, "tools": TOOLS}):
                variables = {"messages": chat, **more}
                cases.append([source if first else None, render(source, variables), variables])
                first = False
    refused = [[s, render(s, VARS)] for s in REFUSED]
    assert all(text is not None for _, text in refused)
    lines = lambda entries: ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries)
    out.write_text('{"vars":' + json.dumps(VARS) + ',\n"cases":[\n' + lines(cases) + '\n],"refused":[\n' + lines(refused) + "\n]}\n", encoding="utf-8")
    print(len(cases), "cases,", sum(c[1] is None for c in cases), "of them errors,", len(refused), "refused")


if __name__ == "__main__":
    main()
