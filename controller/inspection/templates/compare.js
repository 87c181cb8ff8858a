const { meta, layers, first } = data;
// What is not finite has come as a word.
const digits = (value) => typeof value === "number" ? String(Number(value.toPrecision(6))) : value;
heading(`${meta.name} ${meta.version}`, `${meta.target} · compared with the oracle`,
  first === null ? "Equal bit for bit in every layer." : `First difference in ${data.where}.`);
const verdicts = (verdict) => layers.filter((layer) => layer.verdict === verdict).length;
figures([
  [String(verdicts("equal")), "layers equal"],
  [String(verdicts("differs")), "layers differ"],
  [String(verdicts("moved")), "only move bytes"],
  ...(first === null ? [] : [[`${count(layers[first].difference.count)} of ${count(layers[first].difference.elements)}`, "elements of the first differ"],
    [digits(layers[first].difference.largest), "by at most"]]),
]);
if (first !== null) {
  const found = layers[first].difference;
  section("First difference", "What the module and the reference computed where they are farthest apart, and where else they differ.",
    make("div", { class: "card" },
      make("p", {}, `At [${found.at.join(", ")}] the module has ${digits(found.found)}, the oracle ${digits(found.expected)}.`),
      make("p", {}, `Places: ${found.places.map((place) => `[${place.join(",")}]`).join(" ")}${found.count > found.places.length ? " …" : ""}`)));
}
section("Layers", "In the order in which they run. Layers behind the first difference read what it spoilt.", table([
  { title: "#", right: true, value: (_, i) => -i, text: (_, i) => String(i) },
  { title: "Layer", name: true, value: (l) => l.name, text: (l) => l.name },
  { title: "Operator", value: (l) => l.detail, text: (l) => l.detail },
  { title: "Output", value: (l) => l.dtype, text: (l) => `${l.dtype} ${shape(l.shape)}` },
  { title: "Verdict", value: (l) => l.verdict, text: (l, i) => make("span",
    { style: l.verdict === "differs" ? `color:var(--warn);font-weight:${i === first ? 700 : 400}` : "" },
    l.verdict + (l.nonfinite ? ` · ${count(l.nonfinite)} not finite` : "")) },
  { title: "Elements", right: true, value: (l) => l.difference ? l.difference.count / l.difference.elements : -1,
    text: (l) => l.difference ? make("span", {}, make("i", { class: "bar",
      style: `width:${Math.round(90 * l.difference.count / l.difference.elements)}px;background:var(--warn)` }),
      ` ${count(l.difference.count)} of ${count(l.difference.elements)}`) : "–" },
  { title: "Largest", right: true, value: (l) => l.difference ? Number(l.difference.largest) : -1,
    text: (l) => l.difference ? digits(l.difference.largest) : "–" },
], layers));
