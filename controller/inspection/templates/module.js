const { meta, layers, rows, buffers, arena, weights } = data;
const histograms = new Map(weights.map((item) => [item.layer, item]));

heading(`${meta.name} ${meta.version}`, `${meta.target} · module`,
  [...data.inputs.map((t) => `in ${t.name} ${t.dtype}[${t.shape.join(",")}]`),
    ...data.outputs.map((t) => `out ${t.name} ${t.dtype}[${t.shape.join(",")}]`)].join("   ·   "));
figures([
  [size(data.file), "file"],
  [size(data.weightBytes), "constants"],
  [size(data.code), "code"],
  [size(arena.size), `arena (bound ${size(arena.bound)})`],
  ...(data.state ? [[size(data.state), "state"]] : []),
  [macs(layers.reduce((sum, layer) => sum + layer.macs, 0)), "an inference"],
  [String(layers.length), "layers"],
]);

function words(row) {
  if (row.kind !== "layer") {
    const tensor = data[`${row.kind}s`][row.index];
    return `${row.kind} ${tensor.name}\n${tensor.dtype} ${shape(tensor.shape)}, ${size(tensor.bytes)}` +
      (tensor.scale === null ? "" : `\nscale ${tensor.scale}, zero ${tensor.zero}`);
  }
  const layer = layers[row.index];
  const own = buffers.find((buffer) => rows[buffer.row] === row && buffer.kind === "value");
  const scratch = buffers.find((buffer) => rows[buffer.row] === row && buffer.kind === "scratch");
  const at = (buffer) => `${count(buffer.offset - arena.offset)} – ${count(buffer.offset - arena.offset + buffer.size)}`;
  return [
    `${row.index}  ${layer.name}`, `${layer.detail}, ${layer.dtype} ${shape(layer.shape)}`,
    row.reads.length ? `reads ${row.reads.map((r) => nameOf(rows[r])).join(", ")}` : "",
    layer.macs ? macs(layer.macs) : "", layer.weightBytes ? `${size(layer.weightBytes)} of constants` : "",
    `output ${size(own.size)} at ${at(own)}${own.in_place ? ", in place" : ""}`,
    scratch ? `scratch ${size(scratch.size)} at ${at(scratch)}` : "",
  ].filter(Boolean).join("\n");
}

const nameOf = (row) => row.kind === "layer" ? `${row.index} ${layers[row.index].name}` : `${row.kind} ${data[`${row.kind}s`][row.index].name}`;

function drawing() {
  const height = rows.length > 90 ? 19 : 23, top = 34;
  const lanes = Math.max(...rows.map((row) => row.lane)) + 1, step = Math.max(7, Math.min(16, 150 / lanes));
  const at = { lane: 12, name: 12 + lanes * step + 8 };
  at.op = at.name + 215; at.shape = at.op + 165; at.macs = at.shape + 120; at.weights = at.macs + 82; at.arena = at.weights + 92;
  const bar = 54, arenaWidth = WIDTH - at.arena - 8;
  const total = top + rows.length * height + 30;
  const svg = draw("svg", { width: WIDTH, height: total, viewBox: `0 0 ${WIDTH} ${total}`, role: "img" });
  const y = (row) => top + (row + 0.5) * height, lane = (row) => at.lane + rows[row].lane * step;
  const paint = (row) => row.kind === "layer" ? colour(layers[row.index]) : "var(--ink)";
  const x = (offset) => at.arena + offset / Math.max(1, arena.size) * arenaWidth;

  for (const [left, text] of [[at.name, "layer"], [at.op, "operator"], [at.shape, "output"], [at.macs, "work"], [at.weights, "constants"], [at.arena, `arena, ${size(arena.size)}`]]) {
    svg.append(draw("text", { x: left, y: 16, class: "soft" }, text));
  }
  const band = draw("rect", { x: 0, width: WIDTH, height, fill: "var(--accent)", "fill-opacity": 0.1, visibility: "hidden" });
  svg.append(band);

  // Arena: a rectangle is a buffer, wide as its bytes, tall as the layers during which nobody else may have them.
  svg.append(draw("rect", { x: at.arena, y: top, width: arenaWidth, height: rows.length * height, fill: "none", class: "axis" }));
  const pattern = draw("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  pattern.append(draw("line", { x1: 0, x2: 0, y1: 0, y2: 6, stroke: "var(--faint)", "stroke-width": 2 }));
  const defs = draw("defs");
  defs.append(pattern);
  svg.append(defs);
  const boxes = [];
  // A layer in place takes over the bytes of a source in the middle of its row.
  const overlap = (a, b) => a.offset < b.offset + b.size && b.offset < a.offset + a.size;
  const taken = (buffer) => buffers.find((later) => later.in_place && later.row > buffer.row && later.row <= buffer.last &&
    rows[later.row].reads.includes(buffer.row) && overlap(buffer, later));
  for (const buffer of buffers) {
    const row = rows[buffer.row], left = x(buffer.offset - arena.offset);
    if (buffer.offset < arena.offset || buffer.offset >= arena.offset + arena.size) continue;
    const width = Math.max(1.5, buffer.size / arena.size * arenaWidth);
    const heir = buffer.kind === "value" ? taken(buffer) : undefined;
    const start = top + (buffer.row + (buffer.in_place ? 0.5 : 0)) * height, end = top + (heir ? heir.row + 0.5 : buffer.last + 1) * height;
    const box = draw("rect", {
      x: left + 0.5, y: start + 1, width: width - 1 > 0.5 ? width - 1 : 0.5, height: Math.max(2, end - start - 2), rx: 2,
      fill: buffer.kind === "scratch" ? "url(#hatch)" : paint(row), "fill-opacity": buffer.kind === "scratch" ? 0.8 : 0.42,
      stroke: buffer.kind === "scratch" ? "var(--faint)" : paint(row), "stroke-opacity": 0.9, class: "hot",
      ...(buffer.in_place ? { "stroke-dasharray": "4 2" } : {}),
    });
    explain(box, words(row));
    box.addEventListener("mouseenter", () => light(buffer.row));
    boxes.push([buffer, box]);
    svg.append(box);
    if (buffer.kind === "value" && width > 26) {
      svg.append(draw("text", { x: left + 6, y: Math.min(start + 15, (start + end) / 2 + 4), "font-size": 11, "pointer-events": "none" }, fit(
        row.kind === "layer" ? (width > 120 ? `${row.index} ${layers[row.index].op}` : String(row.index)) : data[`${row.kind}s`][row.index].name, width - 8, 6)));
    }
  }
  for (let quarter = 0; quarter <= 4; quarter++) {
    svg.append(draw("text", { x: x(arena.size * quarter / 4), y: total - 10, class: "soft", "font-size": 11,
      "text-anchor": quarter === 0 ? "start" : quarter === 4 ? "end" : "middle" }, size(Math.round(arena.size * quarter / 4))));
  }

  // Graph: a value runs down in the lane of the layer that made it, and turns into each layer that reads it.
  const lines = rows.map(() => []);
  rows.forEach((row, to) => row.reads.forEach((from) => {
    const a = lane(from), b = lane(to), start = y(from), end = y(to), turn = Math.min(height, end - start);
    const path = draw("path", {
      d: a === b ? `M${a},${start} V${end}` : `M${a},${start} V${end - turn} C${a},${end - turn / 3} ${b},${end - turn * 2 / 3} ${b},${end}`,
      fill: "none", stroke: "var(--faint)", "stroke-width": 1.6,
    });
    lines[from].push(path);
    lines[to].push(path);
    svg.append(path);
  }));

  const most = Math.max(1, ...layers.map((layer) => layer.macs)), heaviest = Math.max(1, ...layers.map((layer) => layer.weightBytes));
  rows.forEach((row, index) => {
    const mid = y(index), dot = { cx: lane(index), cy: mid, r: 4.5, fill: paint(row), stroke: "var(--card)", "stroke-width": 1.5 };
    svg.append(row.kind === "layer" ? draw("circle", dot)
      : draw("rect", { x: dot.cx - 4, y: mid - 4, width: 8, height: 8, rx: 2, fill: "var(--ink)", stroke: "var(--card)" }));
    if (row.kind === "layer") {
      const layer = layers[row.index];
      svg.append(draw("text", { x: at.name, y: mid + 4 }, fit(`${row.index}  ${layer.name}`, 208)));
      svg.append(draw("text", { x: at.op, y: mid + 4, class: "soft" }, fit(layer.detail, 160)));
      svg.append(draw("text", { x: at.shape, y: mid + 4, class: "soft" }, fit(shape(layer.shape), 116)));
      if (layer.macs) {
        svg.append(draw("rect", { x: at.macs, y: mid - 4, width: Math.max(1, bar * layer.macs / most), height: 8, rx: 1.5, fill: paint(row) }));
      }
      if (layer.weightBytes) {
        svg.append(draw("rect", { x: at.weights, y: mid - 4, width: Math.max(1, bar * layer.weightBytes / heaviest), height: 8, rx: 1.5, fill: paint(row), "fill-opacity": 0.6 }));
      }
    } else {
      const tensor = data[`${row.kind}s`][row.index];
      svg.append(draw("text", { x: at.name, y: mid + 4, "font-weight": 600 }, fit(tensor.name, 208, 7.6)));
      svg.append(draw("text", { x: at.op, y: mid + 4, class: "soft" }, row.kind));
      svg.append(draw("text", { x: at.shape, y: mid + 4, class: "soft" }, fit(shape(tensor.shape), 116)));
    }
    const cover = draw("rect", { x: 0, y: mid - height / 2, width: at.arena - 12, height, fill: "transparent", class: "hot" });
    explain(cover, words(row));
    cover.addEventListener("mouseenter", () => light(index));
    svg.append(cover);
  });

  function light(index) {
    band.setAttribute("y", y(index) - height / 2);
    band.setAttribute("visibility", "visible");
    lines.flat().forEach((path) => { path.setAttribute("stroke", "var(--faint)"); path.setAttribute("stroke-width", 1.6); });
    lines[index].forEach((path) => { path.setAttribute("stroke", "var(--accent)"); path.setAttribute("stroke-width", 2.4); });
    for (const [buffer, box] of boxes) {
      const near = buffer.row === index || rows[index].reads.includes(buffer.row);
      box.setAttribute("fill-opacity", buffer.kind === "scratch" ? (near ? 1 : 0.35) : near ? 0.8 : 0.18);
    }
  }
  svg.addEventListener("mouseleave", () => {
    band.setAttribute("visibility", "hidden");
    lines.flat().forEach((path) => { path.setAttribute("stroke", "var(--faint)"); path.setAttribute("stroke-width", 1.6); });
    for (const [buffer, box] of boxes) box.setAttribute("fill-opacity", buffer.kind === "scratch" ? 0.8 : 0.42);
  });
  return make("div", { class: "card" }, svg);
}

function histogram(item) {
  const layer = layers[item.layer], width = 240, height = 84, bins = item.after.length;
  const svg = draw("svg", { width, height: height + 16, viewBox: `0 0 ${width} ${height + 16}`, role: "img" });
  const peak = Math.max(...item.after, ...(item.before || []), 1);
  const tall = (value) => value ? Math.max(1, height * Math.sqrt(value / peak)) : 0;
  if (item.before) {
    let path = `M0,${height}`;
    item.before.forEach((value, index) => { path += ` V${height - tall(value)} H${(index + 1) / bins * width}`; });
    svg.append(draw("path", { d: `${path} V${height} Z`, fill: "var(--before)", "fill-opacity": 0.75 }));
  }
  item.after.forEach((value, index) => {
    const w = width / bins;
    if (value) svg.append(draw("rect", { x: index * w + (item.before ? w * 0.28 : 0.4), y: height - tall(value), width: item.before ? w * 0.44 : w - 0.8, height: tall(value), fill: colour(layer) }));
  });
  svg.append(draw("line", { x1: 0, x2: width, y1: height, y2: height, class: "axis" }));
  const ends = [item.low, item.high].map((value) => item.before || item.dtype !== "int8" ? Number(value.toPrecision(2)) : value);
  svg.append(draw("text", { x: 0, y: height + 13, class: "soft", "font-size": 11 }, ends[0]));
  svg.append(draw("text", { x: width / 2, y: height + 13, class: "soft", "font-size": 11, "text-anchor": "middle" }, "0"));
  svg.append(draw("text", { x: width, y: height + 13, class: "soft", "font-size": 11, "text-anchor": "end" }, ends[1]));
  const noise = item.noise === null ? "" : ` · noise −${item.noise.toFixed(1)} dB`;
  return make("div", { class: "card" }, make("h3", { title: layer.name }, fit(`${item.layer}  ${layer.name}`, 240, 7.6)),
    make("p", {}, layer.detail), make("p", {}, `${count(item.count)} ${item.dtype}${noise}`), svg);
}

section("Layers", "One row is one layer, in the order in which they run. Lines run down from the layer that makes a value to those that read it. " +
  "In the arena a rectangle is a buffer: as wide as its bytes, as tall as the steps during which nobody else may have them; dashed where a layer works in place, hatched for scratch.",
  legend(layers), drawing());
if (weights.length) {
  const both = weights.some((item) => item.before);
  const hint = both ? "Grey: as in the ONNX file, after folding. Coloured: what the module computes with. "
    : "As packed for the kernels, padding included; the model's project would show them before quantization as well. ";
  section("Weights", `${hint}Heights are square roots of counts, so that tails can be seen.`,
    make("div", { class: "grid" }, ...weights.map(histogram)));
}
main.append(make("footer", {}, `built from ${Object.entries(data.provenance).map(([name, value]) =>
  `${name} ${/^[0-9a-f]{64}$/.test(value) ? `sha256:${value.slice(0, 8)}…` : value}`).join(" · ")} · abi ${data.abi} · memory ${data.memory / 65536} × 64 KiB`));
