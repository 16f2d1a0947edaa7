// The API's documentation from /openapi.json, with a form to try each route; loads nothing from elsewhere.
"use strict";

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

// A sketch of a schema: {"field": "type", …}; what refers to itself is cut at the fourth level.
function sketch(schema, all, depth = 0) {
  if (!schema || depth > 4) return "…";
  if (schema.$ref) return sketch(all[schema.$ref.split("/").pop()], all, depth);
  if (schema.examples) return schema.examples[0];
  if (schema.anyOf) return sketch(schema.anyOf[0], all, depth);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return [sketch(schema.items, all, depth + 1)];
  if (schema.properties) {
    return Object.fromEntries(Object.entries(schema.properties).map(([name, part]) => [name, sketch(part, all, depth + 1)]));
  }
  return schema.format ?? schema.const ?? schema.type ?? "any";
}

async function send(method, path, inputs, output) {
  const headers = {};
  const token = $("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  let target = path;
  let body;
  const query = new URLSearchParams();
  for (const { where, name, node } of inputs) {
    const value = node.value.trim();
    if (where === "path") target = target.replace(`{${name}}`, encodeURIComponent(value));
    else if (where === "body") body = value || undefined;
    else if (value && where === "query") query.set(name, value);
    else if (value && where === "header") headers[name] = value;
  }
  if (body) headers["Content-Type"] = "application/json";
  const reply = await fetch(query.size ? `${target}?${query}` : target, { method, headers, body });
  const text = await reply.text();
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // not JSON: the ledger and the metrics are shown as they are
  }
  output.textContent = `${reply.status} ${reply.statusText}\n${shown.slice(0, 20000)}`;
}

function route(path, method, operation, api) {
  const all = api.components.schemas;
  const inputs = (operation.parameters ?? []).map((parameter) => ({
    where: parameter.in,
    name: parameter.name,
    words: parameter.description ?? "",
    node: make("input", { type: "text", placeholder: String(parameter.schema.examples?.[0] ?? parameter.schema.default ?? "") }),
  }));
  if (operation.requestBody) inputs.push({ where: "body", name: "body (JSON)", words: "", node: make("textarea", { rows: "2", placeholder: '{"note": "why"}' }) });
  const output = make("pre", { "aria-live": "polite" });
  output.hidden = true;
  const answers = Object.entries(operation.responses).map(([status, answer]) =>
    make("li", {}, make("strong", {}, status), ` ${answer.description}`),
  );
  const good = operation.responses["200"] ?? operation.responses["202"];
  const schema = good?.content?.["application/json"]?.schema;
  const form = make("form", {}, ...inputs.map((input) => make("label", {}, `${input.name} `, make("span", { class: "quiet" }, `${input.where}. ${input.words}`), input.node)), make("div", { class: "buttons" }, make("button", { type: "submit" }, "Send")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    output.hidden = false;
    send(method.toUpperCase(), path, inputs, output).catch((error) => {
      output.textContent = error.message;
    });
  });
  return make(
    "details",
    {},
    make("summary", {}, make("span", { class: `tag ${method === "get" ? "good" : "bad"}` }, method.toUpperCase()), make("strong", {}, ` ${path} `), make("span", { class: "quiet" }, operation.security ? "with a token: " : "", (operation.description ?? "").replaceAll("`", ""))),
    schema ? make("pre", {}, JSON.stringify(sketch(schema, all), null, 2)) : null,
    make("ul", { class: "quiet" }, ...answers),
    form,
    output,
  );
}

async function show() {
  const api = await (await fetch("/openapi.json")).json();
  $("version").textContent = `version ${api.info.version}`;
  $("about").textContent = api.info.description.trim().replaceAll("`", "").replaceAll("*", "");
  for (const tag of api.tags) {
    const section = make("section", {}, make("h2", {}, tag.name), make("p", { class: "quiet" }, tag.description));
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (operation.tags?.includes(tag.name)) section.append(route(path, method, operation, api));
      }
    }
    $("routes").append(section);
  }
}

$("token").value = sessionStorage.getItem("token") ?? "";
$("token").addEventListener("change", () => sessionStorage.setItem("token", $("token").value.trim()));
show();
