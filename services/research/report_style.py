"""The evaluation page's style sheet: quiet, readable in light and dark, on paper and on a telephone."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --line: #e1e5ea; --text: #17202b; --quiet: #566273; --track: #eceff3;
  --good: #14734a; --bad: #b3261e; --warn: #7d5200; --warn-back: #fff1d0;
  --good-fill: 20 115 74; --bad-fill: 179 38 30;
  --s0: #2457c5; --s1: #b4540a; --s2: #0f7c6e; --s3: #8a3fa8; --s4: #9a6b00; --s5: #b5275f; --s6: #3d6b1f;
  --s7: #5b5bd6; --s8: #6d7683;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e131a; --card: #161d27; --line: #283241; --text: #e6ebf2; --quiet: #9aa7b7; --track: #222c39;
    --good: #5fcf9a; --bad: #ff8f86; --warn: #f2c14e; --warn-back: #3a2f12; --good-fill: 95 207 154;
    --bad-fill: 255 143 134;
    --s0: #7aa5ff; --s1: #f59b52; --s2: #3fc5b2; --s3: #d08bea; --s4: #e0b23a; --s5: #ff7fae; --s6: #9ccc65;
    --s7: #a5a5ff; --s8: #8c97a6;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1.25rem 3rem; background: var(--page); color: var(--text);
  font: 0.9375rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.3rem 0.9rem; color: var(--quiet);
  font-size: 0.8125rem; }
.badge { background: var(--warn-back); color: var(--warn); font-weight: 600; border-radius: 999px;
  padding: 0.1rem 0.7rem; }
.hero { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 3fr); gap: 1rem; margin: 1rem 0; }
h1 { font-size: 1.5rem; line-height: 1.3; letter-spacing: -0.015em; margin: 0 0 0.8rem; text-wrap: balance; }
h2 { font-size: 1.0625rem; margin: 0 0 0.25rem; letter-spacing: -0.005em; }
h3 { font-size: 0.875rem; margin: 1.2rem 0 0.3rem; }
p { margin: 0 0 0.6rem; max-width: 52rem; }
.quiet, figcaption, caption { color: var(--quiet); font-size: 0.8125rem; }
tbody th, tbody td { vertical-align: top; }
caption { text-align: left; padding-bottom: 0.4rem; caption-side: top; white-space: normal; max-width: 52rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.25rem;
  margin-bottom: 1rem; min-width: 0; }
.hero section { margin: 0; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem 2rem; }
figure { margin: 0.6rem 0 0; min-width: 0; }
figcaption { margin-top: 0.2rem; max-width: 52rem; }
.table { margin-top: 1rem; }
.scroll { overflow-x: auto; }
.chart { display: block; width: 100%; height: auto; min-width: 26rem; }
.wide .chart { min-width: 44rem; }
.chart text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  fill: var(--quiet); }
.mid { text-anchor: middle; }
.end { text-anchor: end; }
.grid { stroke: var(--line); }
.rule { stroke: var(--quiet); stroke-dasharray: 4 4; stroke-width: 1.25; fill: none; }
.band { fill: rgb(var(--good-fill) / 0.12); }
.line { fill: none; stroke: var(--c); stroke-width: 1.25; stroke-linejoin: round; opacity: 0.85; }
.line.s0 { stroke-width: 2.5; opacity: 1; }
.dot { fill: var(--c); }
.whisker { stroke: var(--c); stroke-width: 2; opacity: 0.55; }
.key { list-style: none; display: flex; flex-wrap: wrap; gap: 0.1rem 1.1rem; margin: 0.3rem 0 0; padding: 0;
  font-size: 0.8125rem; color: var(--quiet); }
.key li::before { content: ""; display: inline-block; width: 1rem; height: 3px; border-radius: 2px;
  background: var(--c); margin-right: 0.4rem; vertical-align: middle; }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); } .s4 { --c: var(--s4); }
.s5 { --c: var(--s5); } .s6 { --c: var(--s6); } .s7 { --c: var(--s7); } .s8 { --c: var(--s8); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; white-space: nowrap; }
th { text-align: left; color: var(--quiet); font-weight: 600; font-size: 0.8125rem; vertical-align: bottom; }
th, td { padding: 0.32rem 0.8rem 0.32rem 0; border-bottom: 1px solid var(--line); }
thead th { white-space: normal; }
th:last-child, td:last-child { padding-right: 0.3rem; }
tr:last-child td, tr:last-child th { border-bottom: 0; }
tbody th { color: var(--text); font-size: inherit; }
.n { text-align: right; }
.heat td { text-align: center; padding: 0.32rem 0.4rem; border: 1px solid var(--card); min-width: 3.2rem; }
.heat thead th { text-align: center; padding: 0.2rem 0.3rem; }
.heat thead th:first-child { text-align: left; }
.sure { font-weight: 700; outline: 2px solid var(--text); outline-offset: -2px; }
.good { color: var(--good); } .bad { color: var(--bad); }
.words { white-space: normal; min-width: 16rem; }
figure + details { margin-top: 1rem; }
details { border-top: 1px solid var(--line); padding: 0.5rem 0; }
summary { cursor: pointer; font-weight: 600; }
:focus-visible { outline: 2px solid var(--s0); outline-offset: 2px; border-radius: 4px; }
ul.notes { padding-left: 1.1rem; margin: 0; color: var(--quiet); font-size: 0.8125rem; }
@media (max-width: 52rem) { .hero, .pair { grid-template-columns: minmax(0, 1fr); } body { padding: 1rem 0.75rem; } }
@media print { body { max-width: none; } section { break-inside: avoid; } }
"""
