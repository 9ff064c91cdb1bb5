"""The page's style sheet, which its content security policy names by hash."""

import base64
import hashlib

STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#1c2024;--soft:#60646c;--line:#e0e1e6;
--card:#f7f8fa;--good:#18794e;--bad:#c62a2f;--warn:#915930;--wait:#0b68cb;--bar:#3b82d6;
--lag:#c98a1b}
@media(prefers-color-scheme:dark){:root{--back:#111315;--text:#edeef0;--soft:#a9adb5;--line:#2e3135;
--card:#1a1d20;--good:#4cc38a;--bad:#ff8589;--warn:#f1a10d;--wait:#70b8ff;--bar:#5a9be6;
--lag:#dca83a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1.25rem 1rem 3rem;background:var(--back);
color:var(--text);font:15px/1.45 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0 0 .15rem}
p{margin:.25rem 0}
a{color:var(--wait)}
.soft,small{color:var(--soft);font-size:.85rem}
.verdict{margin:1rem 0;padding:.7rem .9rem;border-left:4px solid var(--good);
background:var(--card);border-radius:0 .4rem .4rem 0;overflow-wrap:anywhere}
.verdict.bad{border-color:var(--bad)}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.45rem .6rem;border-bottom:1px solid var(--line);
vertical-align:middle}
th{font-size:.8rem;font-weight:600;color:var(--soft);white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.name{overflow-wrap:anywhere;min-width:9rem}
td.chart,th.chart{width:10.5rem}
svg{display:block;width:9.5rem;height:1.5rem;border-bottom:1px solid var(--line)}
svg path{fill:var(--bar)}
svg.lag path{fill:var(--lag)}
.state{display:inline-block;padding:.05rem .5rem;border-radius:1rem;border:1px solid currentColor;
font-size:.8rem;white-space:nowrap}
.running,.idle{color:var(--good)}
.standby,.starting{color:var(--wait)}
.failing,.stopped{color:var(--bad)}
summary{font-size:1.1rem;font-weight:600;cursor:pointer}
details{margin:1rem 0 1.5rem}
footer{margin-top:1.5rem}
.mark{color:var(--warn);font-size:.8rem;white-space:nowrap}
dl{margin:0}
dt{margin-top:.8rem;font-weight:600;overflow-wrap:anywhere}
dd{margin:.15rem 0 0;overflow-wrap:anywhere}
.remedy{color:var(--soft)}
.remedy::before{content:"\\2192\\a0"}
@media(max-width:46rem){
thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
table,tbody{display:block}
tr{display:grid;grid-template-columns:1fr 1fr;gap:.1rem .8rem;margin:0 0 .7rem;padding:.6rem .75rem;
border:1px solid var(--line);border-radius:.5rem;background:var(--card)}
td,td.n{display:block;width:auto;padding:.1rem 0;border:0;text-align:left;min-width:0}
td.name{min-width:0}
td.chart{width:auto}
td:nth-child(n+3)::before{display:block;color:var(--soft);font-size:.75rem;content:"Quarantined"}
td:nth-child(2){text-align:right}
td:nth-child(3)::before{content:"Lag"}
td:nth-child(4)::before{content:"Lag, last 30 min"}
td:nth-child(5)::before{content:"Events/s"}
td:nth-child(6)::before{content:"Events, last 30 min"}
td:nth-child(7)::before{content:"Waiting"}
td:nth-child(8)::before{content:"Last batch"}
svg{width:100%}
}
"""

POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may load for the page: nothing but this style sheet in it."""
