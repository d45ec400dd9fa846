// Owns the control page's behaviour: reads control/state, shows it, and sends what is changed.
// Must not decide anything: every rule is the server's.
"use strict";

const byId = (id) => document.getElementById(id);
const QUICK = [
  ["Lose the next upload's answer", { kind: "lost_answer", endpoint: "uploads", times: 1 }],
  ["503 everywhere", { kind: "http_error" }],
  ["No credits", { kind: "no_credits" }],
  ["Clock 5 minutes off", { kind: "wrong_clock" }],
  ["429 for ten requests", { kind: "rate_limited", times: 10 }],
  ["Slow answers", { kind: "slow" }],
];
let latest = null;
let toastTimer = 0;
let settingsTouched = 0;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

function toast(text, isBad = false) {
  const box = byId("toast");
  box.textContent = text;
  box.className = isBad ? "toast shown bad" : "toast shown";
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.className = "toast"; }, isBad ? 6000 : 2200);
}

async function send(method, path, body, said) {
  const headers = { "Content-Type": "application/json" };
  try {
    const answer = await fetch(path, { method, headers, body: JSON.stringify(body ?? {}) });
    const data = await answer.json();
    if (!answer.ok) throw new Error(data.error ?? answer.statusText);
    if (said) toast(said);
    await refresh();
    return data;
  } catch (error) {
    toast(String(error.message ?? error), true);
    return null;
  }
}

async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast("The browser does not allow copying here", true);
  }
}

const number = (value) => new Intl.NumberFormat("en").format(value);
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
const day = (seconds) => new Date(seconds * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });

function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  if (whole < 172800) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86400)} days`;
}

function say(id, text) {
  const node = byId(id);
  if (node.textContent !== text) node.textContent = text;
}

function showTop(state) {
  say("address", state.base_url);
  const active = state.faults.filter((rule) => rule.remaining !== 0);
  const mood = byId("mood");
  mood.className = active.length ? "chip faulty" : "chip";
  say("mood", active.length ? `${active.length} fault${active.length > 1 ? "s" : ""} on` : "behaving");
}

function showTiles(state) {
  const { summary, totals, counts } = state;
  const all = Object.values(totals);
  const sum = (name) => all.reduce((total, account) => total + (account[name] ?? 0), 0);
  say("tile-credits", number(state.partners.reduce((total, each) => total + each.left, 0)));
  say("tile-credits-note", `${state.partners.length} account${state.partners.length === 1 ? "" : "s"}`);
  say("tile-processing", number(summary.processing));
  say("tile-processing-note", `${number(sum("accepted") + sum("again"))} accepted so far`);
  say("tile-done", number(summary.done));
  say("tile-done-note", summary.failed ? `${number(summary.failed)} failed` : `${number(sum("forgotten"))} forgotten`);
  const calls = ["uploads", "status", "download", "nums", "file"];
  say("tile-requests", number(calls.reduce((total, name) => total + (counts[name] ?? 0), 0)));
  say("tile-requests-note", `${number(counts.connections ?? 0)} connections`);
  say("tile-charged", number(sum("credits")));
  say("tile-charged-note", `${number(sum("downloaded"))} downloads`);
}

function figures(params) {
  return Object.entries(params).filter(([, value]) => value !== "").map(([name, value]) => `${name} ${value}`).join(" · ");
}

function showFaults(state) {
  const titles = Object.fromEntries(state.kinds.map((kind) => [kind.name, kind.title]));
  const rows = state.faults.map((rule) => {
    const left = rule.remaining === null ? "every request" : rule.remaining === 0 ? "used up" : `${rule.remaining} more`;
    const facts = [`at ${rule.endpoint}`, left, `${rule.hits} hit${rule.hits === 1 ? "" : "s"}`];
    if (rule.skip) facts.push(`after ${rule.skip}`);
    if (rule.chance < 1) facts.push(`chance ${rule.chance}`);
    if (rule.third_code) facts.push(`only ${rule.third_code}`);
    const detail = figures(rule.params);
    return make("li", { class: rule.remaining === 0 ? "spent" : "" },
      make("div", { class: "what" }, make("b", {}, titles[rule.kind] ?? rule.kind), ` ${facts.join(" · ")}`, detail ? make("small", {}, detail) : null),
      make("button", { type: "button", "aria-label": `Switch ${titles[rule.kind]} off`, onclick: () => send("DELETE", `faults/${rule.id}`) }, "Off"));
  });
  byId("active-faults").replaceChildren(...(rows.length ? rows : [make("li", { class: "empty" }, "Nothing is broken. Pick something below.")]));
  byId("clear-faults").hidden = !rows.length;
}

function showAccounts(state) {
  const open = new Set([...document.querySelectorAll(".secret[data-open]")].map((node) => node.dataset.open));
  byId("accounts").replaceChildren(...state.partners.map((partner) => {
    const isOpen = open.has(partner.third_code);
    const secret = make("div", { class: "secret", "data-open": isOpen ? partner.third_code : null },
      make("code", {}, isOpen ? partner.secret_key : "•".repeat(12)),
      make("button", { type: "button", onclick: () => { if (isOpen) delete secret.dataset.open; else secret.dataset.open = partner.third_code; showAccounts(latest); } }, isOpen ? "Hide" : "Show"),
      make("button", { type: "button", onclick: () => copy(partner.secret_key, "Secret copied") }, "Copy"));
    const packages = partner.packages.map((each) => make("div", { class: each.is_lapsed ? "package lapsed" : "package" },
      make("span", {}, `${number(each.left)} of ${number(each.size)} left`),
      make("span", {}, `${each.is_lapsed ? "lapsed" : "until"} ${day(each.expires_at)}`),
      make("progress", { max: each.size, value: each.left, "aria-label": "Credits left in this package" })));
    const buy = [3, 10, 50, 200].map((count) => make("button", { type: "button", onclick: () => send("POST", "packages", { third_code: partner.third_code, credit_count: count }, `${count} credits added`) }, `+${count}`));
    return make("div", { class: "account" },
      make("div", { class: "account-head" }, make("b", {}, partner.third_code), make("span", { class: "faint" }, `${number(partner.left)} credit${partner.left === 1 ? "" : "s"} · per ${partner.charging}`)),
      secret, ...packages, make("div", { class: "buy" }, ...buy));
  }));
}

function snippet(secret) {
  const partner = latest.partners[0];
  if (!partner) return "# Open an account first.";
  const options = { third_code: partner.third_code, secret_key: secret ?? "•".repeat(12), base_url: latest.base_url };
  const lines = Object.entries(options).map(([name, value]) => `                "${name}": ${JSON.stringify(value)},`);
  return [
    "HILI = {",
    '    "PROVIDERS": {',
    '        "hili": {',
    '            "BACKEND": "django_hili.providers.hili.HiliProvider",',
    '            "OPTIONS": {',
    ...lines,
    "            },",
    "        },",
    "    },",
    "}",
  ].join("\n");
}

function showConnect() {
  say("snippet", snippet());
}

function showSettings(state) {
  const form = byId("settings-form");
  if (Date.now() - settingsTouched > 1500 && !form.contains(document.activeElement)) {
    for (const input of form.elements) {
      if (!input.name) continue;
      if (input.type === "radio") input.checked = state.settings.mode === input.value;
      else input.value = state.settings[input.name];
    }
  }
  const ahead = state.settings.travel_seconds;
  say("calendar", `${day(state.now)}, ${clock(state.now)}${ahead ? ` (${span(ahead)} ahead)` : ""}`);
}

function frame(picture) {
  if (picture.code_now === 1) {
    const address = (kind) => `../static/img/${picture.mdf}_${kind}.jpg`;
    const thumbnail = make("img", { src: address("icon"), alt: "Watermarked preview", loading: "lazy" });
    return make("a", { class: "frame", href: address("wmk"), target: "_blank", rel: "noopener", title: "Watermarked preview" }, thumbnail);
  }
  if (picture.code_now === 2) return make("div", { class: "frame" }, make("span", { class: "cross", "aria-hidden": "true" }, "✕"));
  return make("div", { class: "frame" }, make("span", { class: "spin", "aria-hidden": "true" }));
}

function caption(picture, now) {
  const fate = picture.code_now === 0 && picture.ready_at > now ? `ready in ${span(picture.ready_at - now)}` : `gone in ${span(picture.expires_at - now)}`;
  const size = picture.code_now === 1 ? `${picture.width} × ${picture.height}, ${number(Math.max(1, Math.round(picture.size_bytes / 1024)))} KB` : picture.stage_name;
  return make("div", { class: "caption" },
    make("div", { class: "name", title: picture.file_name }, picture.file_name || "unnamed"),
    make("div", { class: "faint" }, picture.seq.replaceAll(",", ", ")),
    picture.code_now === 2 ? make("div", { class: "reason" }, picture.reason || picture.stage_name) : make("div", {}, size),
    make("div", { class: "faint" }, `${fate}${picture.downloads ? ` · ${picture.downloads} download${picture.downloads > 1 ? "s" : ""}` : ""}`));
}

function showPictures(state) {
  const total = state.summary.processing + state.summary.done + state.summary.failed;
  say("pictures-count", total > state.pictures.length ? `latest ${state.pictures.length} of ${number(total)}` : total ? String(total) : "");
  const list = byId("pictures");
  const known = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const nodes = state.pictures.map((picture) => {
    // The frame is kept while it shows the same, so that thumbnails do not flicker.
    const key = `${picture.mdf}/${picture.code_now}`;
    const old = known.get(key);
    if (!old) return make("li", { class: "picture", "data-key": key }, frame(picture), caption(picture, state.now));
    old.lastChild.replaceWith(caption(picture, state.now));
    return old;
  });
  list.replaceChildren(...(nodes.length ? nodes : [make("li", { class: "empty" }, "No photos. Point a client at the address above and upload one.")]));
}

function showTables(state) {
  byId("ledger").replaceChildren(...state.ledger.map((entry) => make("tr", {},
    make("td", { title: day(entry.at) }, clock(entry.at)),
    make("td", {}, entry.event, entry.faults ? make("span", { class: "tag" }, entry.faults) : null),
    make("td", { title: entry.mdf }, make("code", {}, entry.mdf.slice(0, 8))),
    make("td", { class: "num" }, entry.credits ? `−${entry.credits}` : "0"))));
  byId("requests").replaceChildren(...state.requests.slice(0, 40).map((each) => make("tr", {},
    make("td", {}, clock(each.at)),
    make("td", {}, each.endpoint),
    make("td", { class: /^(ok|HTTP 200)$/.test(each.outcome) ? "" : "bad" }, each.outcome, each.faults ? make("span", { class: "tag" }, each.faults) : null),
    make("td", { class: "num" }, String(each.milliseconds)))));
}

function buildFaultForm(state) {
  const kinds = byId("fault-kind");
  if (kinds.options.length) return;
  kinds.append(...state.kinds.map((kind) => make("option", { value: kind.name }, kind.title)));
  kinds.addEventListener("change", chooseKind);
  byId("quick").replaceChildren(...QUICK.map(([text, body]) => make("button", { type: "button", onclick: () => send("POST", "faults", body, "Switched on") }, text)));
  chooseKind();
}

function chooseKind() {
  const kind = latest.kinds.find((each) => each.name === byId("fault-kind").value);
  say("fault-text", kind.text);
  const endpoints = kind.endpoints.length > 1 ? ["any", ...kind.endpoints] : kind.endpoints;
  byId("fault-endpoint").replaceChildren(...endpoints.map((name) => make("option", { value: name }, name === "any" ? "any of these" : name)));
  byId("fault-params").replaceChildren(...Object.entries(kind.params).map(([name, value]) => {
    const id = `param-${name}`;
    const label = make("label", { for: id }, name.replaceAll("_", " "));
    if (typeof value === "boolean") return make("div", { class: "check" }, make("input", { id, type: "checkbox", name, checked: value }), label);
    const choices = kind.choices[name];
    const input = choices
      ? make("select", { id, name }, ...choices.map((choice) => make("option", { value: choice, selected: choice === value }, choice.replaceAll("_", " "))))
      : make("input", { id, name, type: typeof value === "number" ? "number" : "text", step: "any", value: String(value) });
    return make("div", { class: "field" }, label, input);
  }));
}

function readParams(kind) {
  const params = {};
  for (const [name, value] of Object.entries(kind.params)) {
    const input = byId(`param-${name}`);
    if (typeof value === "boolean") params[name] = input.checked;
    else params[name] = typeof value === "number" ? Number(input.value) : input.value;
  }
  return params;
}

function listen() {
  byId("copy-address").addEventListener("click", () => copy(latest.base_url, "Address copied"));
  byId("copy-snippet").addEventListener("click", () => copy(snippet(latest.partners[0]?.secret_key), "Settings copied"));
  byId("clear-faults").addEventListener("click", () => send("DELETE", "faults", null, "All faults are off"));
  byId("sweep").addEventListener("click", async () => {
    const data = await send("POST", "sweep");
    if (data) toast(`${data.forgotten} forgotten`);
  });
  byId("reset").addEventListener("click", () => {
    // A dialog left by Escape keeps its last answer; it must not be taken for a new one.
    byId("confirm").returnValue = "";
    byId("confirm").showModal();
  });
  byId("confirm").addEventListener("close", () => {
    if (byId("confirm").returnValue === "yes") send("POST", "reset", {}, "Empty");
  });
  byId("fault-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    const kind = latest.kinds.find((each) => each.name === form.elements.kind.value);
    const times = form.elements.times.value;
    send("POST", "faults", {
      kind: kind.name,
      endpoint: form.elements.endpoint.value,
      times: times ? Number(times) : null,
      skip: Number(form.elements.skip.value || 0),
      chance: Number(form.elements.chance.value || 1),
      params: readParams(kind),
    }, "Switched on");
  });
  byId("partner-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(event.target));
    const done = await send("POST", "partners", { ...values, credit_count: Number(values.credit_count) }, "Account open");
    if (done) event.target.reset();
  });
  byId("settings-form").addEventListener("input", () => { settingsTouched = Date.now(); });
  byId("settings-form").addEventListener("submit", (event) => event.preventDefault());
  byId("settings-form").addEventListener("change", (event) => {
    const { name, value, type } = event.target;
    send("PATCH", "settings", { [name]: type === "number" ? Number(value) : value }, "Changed");
  });
  for (const button of document.querySelectorAll("[data-travel]")) {
    button.addEventListener("click", () => {
      const step = button.dataset.travel;
      send("PATCH", "settings", { travel_seconds: step === "now" ? 0 : latest.settings.travel_seconds + Number(step) });
    });
  }
}

async function refresh() {
  try {
    const answer = await fetch("state");
    if (!answer.ok) throw new Error(answer.statusText);
    latest = await answer.json();
  } catch {
    byId("mood").className = "chip lost";
    say("mood", "not answering");
    return;
  }
  buildFaultForm(latest);
  for (const show of [showTop, showTiles, showFaults, showConnect, showAccounts, showSettings, showPictures, showTables]) show(latest);
}

listen();
refresh();
setInterval(() => { if (!document.hidden) refresh(); }, 1500);
