// sim/host/campaign/page.h — the fixed parts of the HTML report: its styles and its one small script. Nothing is loaded
// from anywhere; without the script all is there but the buttons that copy a command.
#pragma once
#include <string_view>

namespace sim::host::campaign {

inline constexpr std::string_view kPageStyle = R"css(
:root{color-scheme:light dark;--page:#fbfaf7;--card:#fff;--ink:#1d2330;--soft:#5d6675;--line:#e4e1d8;--good:#2f7d5b;
--bad:#c0392b;--warn:#b7791f;--accent:#2c5d8f;--tint:#f3f1ea;--bad-tint:#fbeae7;--shadow:0 1px 2px rgb(29 35 48/.06)}
@media(prefers-color-scheme:dark){:root{--page:#14171d;--card:#1b2028;--ink:#e6e8ec;--soft:#98a2b3;--line:#2c333e;
--good:#57b48a;--bad:#ef7a6d;--warn:#e0ac55;--accent:#7fb2e5;--tint:#222934;--bad-tint:#3a2526;--shadow:none}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 ui-sans-serif,system-ui,"Segoe UI",Roboto,
"Helvetica Neue",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1040px;margin:0 auto;padding:48px 24px 80px}
article+article{margin-top:72px;padding-top:48px;border-top:1px solid var(--line)}
h1{font-size:34px;line-height:1.15;letter-spacing:-.02em;margin:4px 0 8px;overflow-wrap:anywhere}
h2{font-size:20px;letter-spacing:-.01em;margin:48px 0 12px}
h3{font-size:17px;margin:0;overflow-wrap:anywhere}
p{margin:0 0 12px}
.eyebrow,.label{font-size:12px;letter-spacing:.08em;text-transform:uppercase;color:var(--soft);margin:0}
.lede{font-size:19px;color:var(--soft)}
.lede b{color:var(--ink)}.bad{color:var(--bad)}.good{color:var(--good)}.warn{color:var(--warn)}.soft{color:var(--soft)}
.lede b.bad{color:var(--bad)}.lede b.good{color:var(--good)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:28px 0 20px}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;box-shadow:var(--shadow)}
.tile{padding:14px 16px}.tile strong{display:block;font-size:24px;line-height:1.25;font-weight:600;
font-variant-numeric:tabular-nums}.tile span{font-size:13px;color:var(--soft)}
.card{padding:20px 22px;margin:0 0 14px}.failure{border-left:4px solid var(--bad)}
.head{display:flex;gap:12px 20px;justify-content:space-between;align-items:baseline;flex-wrap:wrap;margin-bottom:10px}
.pill{display:inline-block;font-size:12px;font-weight:600;padding:2px 9px;border-radius:99px;background:var(--tint);
color:var(--soft);white-space:nowrap}.pill.bad{background:var(--bad-tint);color:var(--bad)}
code,pre,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:13.5px}
.command{display:flex;align-items:stretch;background:var(--tint);border-radius:8px;margin:10px 0 0;overflow:hidden}
.command code{flex:1;padding:10px 14px;overflow-x:auto;white-space:pre}
.command button{border:0;border-left:1px solid var(--line);background:none;color:var(--accent);font:inherit;font-size:13px;
padding:0 14px;cursor:pointer}.command button:hover{background:var(--line)}
.chain{margin:2px 0 0;color:var(--soft);font-size:13.5px}.chain i{font-style:normal;opacity:.6;padding:0 6px}
.needed{margin:12px 0 0;padding:0;list-style:none}.needed li{padding:3px 0 3px 14px;border-left:2px solid var(--line)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14.5px}
th{font-weight:500;font-size:12.5px;color:var(--soft);text-align:left;border-bottom:1px solid var(--line)}
th,td{padding:7px 14px 7px 0;vertical-align:middle}td{border-bottom:1px solid var(--line)}tr:last-child td{border-bottom:0}
th.n,td.n{text-align:right}td.name{overflow-wrap:anywhere}tr.never td{background:var(--bad-tint)}
tr.never td:first-child{box-shadow:inset 3px 0 var(--bad);padding-left:10px}
.scroll{overflow-x:auto}.meter{width:120px;height:8px;border-radius:4px;background:var(--tint);overflow:hidden}
.meter b{display:block;height:100%;background:var(--accent);border-radius:4px}.meter b.bad{background:var(--bad)}
.stack{display:flex;height:14px;border-radius:7px;overflow:hidden;background:var(--tint)}.stack b{min-width:3px}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;font-size:13.5px;color:var(--soft);margin:8px 0 0;padding:0;list-style:none}
.legend i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:7px}
.v-held{background:var(--good)}.v-excused{background:#7aa58f}.v-limit{background:var(--warn)}.v-failed{background:var(--bad)}
.v-liveness-failed{background:#9b59b6}.v-stalled{background:#d2691e}.v-silent{background:#b03a5b}.v-broken{background:#6b1f2a}
svg{display:block;width:100%;height:auto}svg .ok{fill:var(--good);opacity:.55}svg .ko{fill:var(--bad)}
svg .li{fill:var(--warn)}svg text{fill:var(--soft);font-size:11px}svg g:hover rect{opacity:1}
.says{padding-left:20px;margin:0}.says li{margin:0 0 8px}
.ids{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;font-size:13px;color:var(--soft);margin:0}
.ids dd{margin:0;overflow-wrap:anywhere}
@media print{body{background:#fff}.card,.tile{break-inside:avoid;box-shadow:none}.command button{display:none}}
)css";

inline constexpr std::string_view kPageScript = R"js(
for(const button of document.querySelectorAll('.command button'))button.addEventListener('click',()=>{
navigator.clipboard.writeText(button.previousElementSibling.textContent).then(()=>{button.textContent='copied';
setTimeout(()=>{button.textContent='copy'},1500)})});
)js";

}  // namespace sim::host::campaign
