// The console: asks the API every few seconds and draws what it says. Text always goes in as text, never as HTML.
"use strict";

const REFRESH_MS = 5000;
const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const money = (value, digits = 2) =>
  value === null || value === undefined
    ? "–"
    : Number(value).toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const price = (value) => (value === null ? "–" : money(value, Math.abs(Number(value)) < 10 ? 4 : 2));
const signed = (value) => (Number(value) > 0 ? "+" : "") + money(value);
const percent = (value, digits = 1) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)} %`);
const when = (text) => (text ? `${text.slice(0, 10)} ${text.slice(11, 16)}` : "–");
const tone = (value) => (Number(value) < 0 ? "bad" : Number(value) > 0 ? "good" : "");

async function ask(path) {
  const token = sessionStorage.getItem("token");
  const reply = await fetch(path, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  const body = await reply.json();
  if (!reply.ok) throw new Error(body.error ?? `${path} answered ${reply.status}`);
  return body;
}

function drawPortfolio(portfolio, curve) {
  const result = portfolio.equity === null ? null : Number(portfolio.equity) - Number(portfolio.starting_cash ?? portfolio.equity);
  const tiles = [
    ["Equity", money(portfolio.equity), ""],
    ["Result", result === null ? "–" : signed(result), result === null ? "" : tone(result)],
    ["Cash", money(portfolio.cash), ""],
    ["Fees paid", money(portfolio.fees), ""],
    ["Drawdown now", percent(portfolio.drawdown), ""],
    ["Largest drawdown", percent(portfolio.max_drawdown), ""],
  ];
  $("tiles").replaceChildren(
    ...tiles.map(([name, value, kind]) => make("div", {}, make("dt", {}, name), make("dd", { class: kind }, value))),
  );
  drawCurve(curve.items, Number(portfolio.starting_cash));
}

function drawCurve(points, start) {
  const svg = $("equity");
  if (points.length < 2) {
    $("equity-note").textContent = "The curve appears with the second slice.";
    return svg.replaceChildren();
  }
  const values = points.map((point) => Number(point.equity));
  const times = points.map((point) => Date.parse(point.ts));
  const low = Math.min(...values, start || Infinity);
  const high = Math.max(...values, start || -Infinity);
  const x = (time) => (800 * (time - times[0])) / (times[times.length - 1] - times[0]);
  const y = (value) => 210 - (200 * (value - low)) / (high - low || 1);
  const path = values.map((value, n) => `${n ? "L" : "M"}${x(times[n]).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const shape = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  svg.replaceChildren(
    shape("path", { class: "area", d: `${path}L800 220L0 220Z` }),
    shape("path", { class: "line", d: path }),
  );
  if (start) svg.append(shape("line", { class: "start", x1: 0, x2: 800, y1: y(start), y2: y(start) }));
  $("equity-span").textContent = `${when(points[0].ts)} to ${when(points[points.length - 1].ts)}`;
  $("equity-note").textContent =
    `Lowest ${money(Math.min(...values))}, highest ${money(Math.max(...values))}` +
    (start ? `; the dashed line is the start, ${money(start)}.` : ".");
  svg.setAttribute("aria-label", `Equity over time. ${$("equity-note").textContent}`);
}

function fraction(line) {
  if (line.met) return 1;
  if (line.current === null || line.comparison === "is") return 0;
  const share = line.comparison.startsWith(">") ? line.current / line.threshold : line.threshold / line.current;
  return Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0;
}

function bar(share, kind) {
  const fill = make("i");
  fill.style.width = `${Math.round(100 * share)}%`;
  return make("div", { class: `bar ${kind}`, "aria-hidden": "true" }, fill);
}

const SIGNS = { ">": ">", ">=": "≥", "<": "<", "<=": "≤", is: "=" };

const short = (value) => String(Math.round(value * 1000) / 1000);

const OF_TRADES = ["win_rate", "profit_factor", "stop_exits", "slippage_bps", "mix_distance"];

// What a figure rests on: its sample, and the interval of the true value where there is one.
function sample(line) {
  const words = [];
  if (line.n !== null) words.push(`${line.n} ${OF_TRADES.includes(line.name.split(" ")[0]) ? "trades" : "days"}`);
  if (line.low !== null && line.high !== null) words.push(`90 % interval ${short(line.low)} to ${short(line.high)}`);
  return words.length ? ` (${words.join(", ")})` : "";
}

function requirement(line) {
  const figure = line.current === null ? "–" : short(line.current);
  const words = `${line.met ? "met" : `missing: ${line.missing}`}${sample(line)}`;
  return make(
    "li",
    {},
    make("div", { class: "row" }, make("span", {}, line.name.replaceAll("_", " ")), make("span", { class: "end" }, `${figure}, needs ${SIGNS[line.comparison]} ${line.threshold}`)),
    bar(fraction(line), line.met ? "met" : ""),
    make("span", { class: line.met ? "quiet good" : "quiet" }, words),
  );
}

function drawLadder(ladder) {
  const open = new Map([...$("ladder").querySelectorAll("details")].map((node) => [node.dataset.phase, node.open]));
  const next = ladder.phases.find((phase) => !phase.active);
  $("ladder-time").textContent = ladder.evaluated_at ? `evaluated ${when(ladder.evaluated_at)}` : "not evaluated yet";
  $("ladder").replaceChildren(
    ...ladder.phases.map((phase) => {
      const met = phase.requirements.filter((line) => line.met).length;
      const state = phase.active ? "active" : phase.ready ? "ready" : "closed";
      const details = make(
        "details",
        { "data-phase": phase.phase },
        make(
          "summary",
          {},
          make("strong", {}, phase.phase.replaceAll("_", " ")),
          make("span", { class: `tag ${phase.active || phase.ready ? "good" : ""}` }, state),
          make("span", { class: "quiet" }, ` ${phase.requirements.length ? `${met} of ${phase.requirements.length} met · ` : ""}capital ${money(phase.min_capital, 0)} to ${money(phase.max_capital, 0)}`),
        ),
        make("ul", { class: "plain gate" }, ...phase.requirements.map(requirement), phase.evidence_why ? make("li", { class: "quiet" }, `${phase.evidence} evidence. ${phase.evidence_why}`) : null, phase.active || phase.capital === null || phase.capital_needed === null ? null : make("li", { class: "quiet" }, `capital ${money(phase.capital)} of the ${money(phase.capital_needed)} that it takes`), phase.note ? make("li", { class: "quiet" }, phase.note) : null),
      );
      details.open = open.get(phase.phase) ?? phase === next;
      return make("li", { class: state }, details);
    }),
  );
}

const STEPS = { enabled: "trade on paper", restored: "its full size", live_enabled: "live" };
const LEVELS = { full: "good", observed: "warn", off: "" };

// One asset of the ladder: its level, tier and next step in a line, and in the details what that step asks.
function standing(item, open) {
  const met = item.requirements.filter((line) => line.met).length;
  const gate = item.ready ? "ready" : `${met} of ${item.requirements.length} met`;
  const judged = item.requirements.length ? ` · ${gate} · ${item.evidence ?? "no"} evidence` : "";
  const next = item.step === null ? "no step up is open to it" : `next: ${STEPS[item.step]}${judged}`;
  const details = make(
    "details",
    { "data-key": item.symbol },
    make(
      "summary",
      {},
      make("strong", {}, item.symbol),
      make("span", { class: `tag ${LEVELS[item.level]}` }, item.level),
      item.live ? make("span", { class: "tag bad" }, "live") : null,
      make("span", { class: "quiet" }, ` ${item.tier === null ? "" : `tier ${item.tier} · `}${next}`),
      item.waits_for ? make("span", { class: "quiet waits" }, item.waits_for) : null,
    ),
    make("ul", { class: "plain gate" }, ...item.requirements.map(requirement), item.evidence_why ? make("li", { class: "quiet" }, `${item.evidence} evidence. ${item.evidence_why}`) : null, item.since ? make("li", { class: "quiet" }, `${item.level} since ${when(item.since)}`) : null),
  );
  details.open = open.get(item.symbol) ?? false;
  return make("li", { class: item.level === "off" ? "" : "active" }, details);
}

function drawRollout(rollout) {
  const open = new Map([...$("rollout").querySelectorAll("details")].map((node) => [node.dataset.key, node.open]));
  const groups = [...new Set(rollout.items.map((item) => item.group))];
  $("rollout-time").textContent = rollout.evaluated_at ? `evaluated ${when(rollout.evaluated_at)}` : "not evaluated yet";
  $("rollout").replaceChildren(
    ...groups.map((group) => {
      const items = rollout.items.filter((item) => item.group === group);
      const on = items.filter((item) => item.level !== "off").length;
      const details = make(
        "details",
        { "data-key": group },
        make("summary", { class: "group" }, make("strong", {}, group), make("span", { class: "quiet" }, ` ${on} of ${items.length} may be entered`)),
        make("ol", { class: "ladder" }, ...items.map((item) => standing(item, open))),
      );
      details.open = open.get(group) ?? group !== "other classes";
      return details;
    }),
  );
}

const BLOCKS = { entries: "blocks all entries", live: "blocks live entries", "": "blocks nothing" };
const GRAVE = { critical: "bad", warning: "warn", info: "" };

function drawFlags(flags) {
  $("flags").replaceChildren(
    ...flags.items.map((flag) =>
      make(
        "li",
        {},
        make("div", { class: "row" }, make("span", { class: `tag ${GRAVE[flag.severity]}` }, flag.severity), make("strong", {}, `${flag.name.replaceAll("_", " ")}: ${flag.subject}`), make("span", { class: "quiet" }, BLOCKS[flag.blocks] ?? flag.blocks), make("span", { class: "quiet end" }, when(flag.raised_at))),
        make("span", { class: "quiet" }, `${flag.detail}${flag.acknowledged_by ? `; seen by ${flag.acknowledged_by}` : ""}${flag.note ? `: ${flag.note}` : ""}`),
      ),
    ),
  );
  if (!flags.items.length) $("flags").replaceChildren(make("li", { class: "quiet" }, "None is up."));
}

// Drawdown and daily loss are shares of equity, the other limits amounts.
const SHARES = ["drawdown", "daily_loss"];
const limitText = (check, value) => (SHARES.includes(check.name) ? percent(value === null ? null : Number(value)) : money(value, 0));

function drawRisk(risk) {
  const pending = risk.pending_commands.map((command) => command.name);
  $("halted").hidden = !risk.halted && pending.length === 0;
  $("halted").textContent = risk.halted ? `HALTED · ${risk.reason}` : `${pending.join(", ")} in force from the next slice`;
  $("risk-time").textContent = risk.as_of ? `as decided ${when(risk.as_of)}` : "nothing decided yet";
  $("limits").replaceChildren(
    ...risk.limits.map((check) => {
      const share = check.limit && Number(check.limit) > 0 ? Number(check.current ?? 0) / Number(check.limit) : 0;
      return make(
        "div",
        {},
        make("div", { class: "row" }, make("span", {}, check.name.replaceAll("_", " ").replace(":", ": ")), make("span", { class: "end" }, `${limitText(check, check.current)} of at most ${limitText(check, check.limit)}`)),
        bar(Math.min(1, Math.max(0, share)), check.passed ? "met" : "over"),
      );
    }),
  );
  $("events").replaceChildren(
    ...risk.events.slice(0, 6).map((event) =>
      make("li", {}, make("div", { class: "row" }, make("strong", {}, event.symbol ?? event.name), make("span", { class: "quiet end" }, when(event.ts))), make("span", { class: "quiet" }, event.detail)),
    ),
  );
  if (!risk.events.length) $("events").replaceChildren(make("li", { class: "quiet" }, "None."));
}

function drawTable(table, columns, rows, empty) {
  if (!rows.length) return table.replaceChildren(make("tbody", {}, make("tr", {}, make("td", { class: "quiet" }, empty))));
  const head = make("tr", {}, ...columns.map(([name, , numeric]) => make("th", { scope: "col", class: numeric ? "number" : "" }, name)));
  const body = rows.map((row) =>
    make("tr", {}, ...columns.map(([, value, numeric, kind]) => make("td", { class: `${numeric ? "number" : ""} ${kind ? kind(row) : ""}` }, value(row)))),
  );
  return table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
}

const POSITIONS = [
  ["Asset", (row) => row.symbol],
  ["Quantity", (row) => String(Number(row.quantity)), true],
  ["Value", (row) => money(row.market_value), true],
  ["Result", (row) => signed(row.unrealised_pnl), true, (row) => tone(row.unrealised_pnl)],
  ["Stop", (row) => price(row.stop_price), true],
  ["Target", (row) => price(row.target_price), true],
];
const TRADES = [
  ["Closed", (row) => when(row.closed_at)],
  ["Asset", (row) => row.symbol],
  ["Side", (row) => row.side],
  ["Quantity", (row) => String(Number(row.quantity)), true],
  ["Entry", (row) => price(row.entry_price), true],
  ["Exit", (row) => price(row.exit_price), true],
  ["Fees", (row) => money(row.fees), true],
  ["Result", (row) => signed(row.pnl), true, (row) => tone(row.pnl)],
  ["Left by", (row) => row.exit_reason],
  ["Regime", (row) => row.regime],
];

// What the forecast behind a signal gives away: its interval, the chance of a rise, and which models were silent.
function foreseen(signal) {
  const words = [];
  if (signal.stop !== null) words.push(`stop ${price(signal.stop)}`);
  if (signal.take !== null) words.push(`target ${price(signal.take)}`);
  if (signal.low !== null) words.push(`80 % interval ${percent(signal.low)} to ${percent(signal.high)}`);
  if (signal.p_up !== null) words.push(`chance of a rise ${percent(signal.p_up)}`);
  if (signal.without.length) words.push(`without ${signal.without.join(", ")}`);
  return words;
}

function drawSignals(signals) {
  const kinds = { STRONG_BUY: "good", BUY: "good", SELL: "bad", STRONG_SELL: "bad" };
  $("signals").replaceChildren(
    ...signals.items.slice(0, 12).map((signal) =>
      make(
        "li",
        {},
        make("div", { class: "row" }, make("span", { class: `tag ${kinds[signal.strength] ?? ""}` }, signal.strength.replace("_", " ")), make("strong", {}, signal.symbol), make("span", { class: "quiet" }, `${signal.level.toLowerCase()} confidence`), make("span", { class: "quiet end" }, when(signal.ts))),
        make("span", { class: "quiet" }, [...signal.reasons, ...foreseen(signal)].join("; ")),
      ),
    ),
  );
  if (!signals.items.length) $("signals").replaceChildren(make("li", { class: "quiet" }, "No signal yet."));
}

function drawMode(body) {
  $("mode").textContent = body.simulated ? `${body.mode.toUpperCase()} · simulated` : body.mode.toUpperCase();
  document.title = `Chloe · ${body.mode}`;
}

async function refresh() {
  try {
    const [ladder, rollout, flags, portfolio, curve, risk, signals, trades] = await Promise.all(
      ["/phases/readiness", "/rollout", "/flags", "/portfolio", "/portfolio/equity?points=400", "/risk?limit=6", "/signals", "/trades?limit=15"].map(ask),
    );
    drawMode(ladder);
    drawPortfolio(portfolio, curve);
    drawLadder(ladder);
    drawRollout(rollout);
    drawFlags(flags);
    drawRisk(risk);
    drawSignals(signals);
    drawTable($("positions"), POSITIONS, portfolio.positions, "Nothing is held.");
    drawTable($("trades"), TRADES, trades.items, "No round trip has been closed yet.");
    $("updated").textContent = portfolio.as_of ? `after the slice of ${when(portfolio.as_of)}` : "before the first slice";
    $("problem").hidden = true;
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
  }
  setTimeout(refresh, REFRESH_MS);
}

async function giveCommand(event) {
  event.preventDefault();
  const name = event.submitter.value;
  sessionStorage.setItem("token", $("token").value.trim());
  const reply = await fetch(`/risk/${name}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${sessionStorage.getItem("token")}`, "Content-Type": "application/json", "X-Operator": "console" },
    body: JSON.stringify({ note: $("note").value }),
  });
  const body = await reply.json();
  if (reply.status === 401) sessionStorage.removeItem("token");
  $("halt-answer").textContent = reply.ok ? `${name} given: in force from the next slice.` : body.error;
  $("halt-answer").className = reply.ok ? "good" : "bad";
}

$("open-halt").addEventListener("click", () => {
  $("token").value = sessionStorage.getItem("token") ?? "";
  $("halt-answer").textContent = "";
  $("halt-dialog").showModal();
});
$("close-halt").addEventListener("click", () => $("halt-dialog").close());
$("halt-form").addEventListener("submit", (event) => {
  giveCommand(event).catch((error) => {
    $("halt-answer").textContent = error.message;
  });
});
refresh();
