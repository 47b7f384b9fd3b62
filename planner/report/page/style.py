"""The style sheet of the HTML page, for light and dark screens."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --dim: #646c7c; --line: #d9dde5; --page: #fff; --card: #f6f7f9;
  --good: #1a7f37; --bad: #c62828; --blue: #4c78a8 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --dim: #9aa3b2; --line: #3a4150; --page: #14171d; --card: #1c2028; --good: #4ac26b;
    --bad: #ff7b72; --blue: #79a6d8 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 960px; padding: 24px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
h1 { font-size: 1.5rem; margin: 0 0 4px }
h2 { font-size: 1.15rem; margin: 36px 0 4px }
h3 { font-size: 1rem; margin: 22px 0 6px }
p { margin: 4px 0 }
.dim { color: var(--dim) }
.good { color: var(--good) }
.bad { color: var(--bad) }
.warn { border-left: 3px solid #e3b505; padding-left: 10px }
.sums { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0 }
.sums div { background: var(--card); border-radius: 8px; padding: 8px 14px }
.sums b { display: block; font-size: 1.2rem }
.sums span { color: var(--dim); font-size: .85rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: 6px 0 }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { color: var(--dim); font-weight: 500 }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 6px 0; font-size: .9rem }
dt { color: var(--dim) }
dd { margin: 0 }
details { margin-top: 36px; font-size: .9rem }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .88em }
.key { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: .88rem; margin: 2px 0 }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px }
svg { display: block; width: 100%; height: auto }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif }
svg text.tick { fill: var(--dim); font-size: 12px }
svg text.chosen { font-weight: 600 }
svg text.rejected { fill: var(--bad) }
.room { fill: var(--card); stroke: var(--line) }
.grid { stroke: var(--line) }
.full { stroke: var(--ink); stroke-width: 2 }
.over { stroke: var(--bad); stroke-width: 3 }
.front { fill: none; stroke: var(--good); stroke-width: 1.5 }
.dot { stroke-width: 1.5 }
.dot.chosen { fill: var(--good); stroke: var(--good) }
.dot.alternative { fill: var(--blue); stroke: var(--blue) }
.dot.rejected { fill: none; stroke: var(--bad) }
"""
