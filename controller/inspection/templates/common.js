"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.querySelector("main");
const WIDTH = 1190;
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function draw(name, attributes = {}, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function span(seconds) {
  let value = seconds * 1e6, unit = "µs";
  if (value < 0.005) return value ? "<0.01 µs" : "0 µs";
  for (const larger of ["ms", "s"]) if (value >= 1000) { value /= 1000; unit = larger; }
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

function size(bytes) {
  let value = bytes, unit = "B";
  for (const larger of ["KiB", "MiB", "GiB"]) if (value >= 1024) { value /= 1024; unit = larger; }
  return unit === "B" ? `${value} B` : `${value.toFixed(1)} ${unit}`;
}

function macs(number) {
  let value = number, unit = "MAC";
  for (const larger of ["kMAC", "MMAC", "GMAC"]) if (value >= 1000) { value /= 1000; unit = larger; }
  return unit === "MAC" ? `${value} MAC` : `${Number(value.toPrecision(3))} ${unit}`;
}

const count = (number) => number.toLocaleString("en");
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
const shape = (sizes) => sizes.join("×") || "scalar";

// Operators by what they do to their elements; a class has one colour on all pages.
const CLASSES = {
  product: "products (Conv, Gemm, MatMul)", depthwise: "depthwise", elementwise: "element by element",
  pool: "pooling, reduction", movement: "moves bytes", convert: "int8 ↔ float32", other: "other",
};
const OPERATORS = {
  product: "Conv ConvTranspose Gemm MatMul ConvInteger MatMulInteger QLinearConv QLinearMatMul LSTM GRU RNN Einsum",
  elementwise: "Add Sub Mul Div Pow Sqrt Neg Abs Exp Log Min Max Mean Sum Mod Not And Or Xor Where Clip Relu PRelu LeakyRelu " +
    "Elu Selu Celu Gelu Sigmoid HardSigmoid HardSwish Swish Mish Tanh Erf Softplus Softsign Table Equal Less Greater Cast Sign " +
    "Floor Ceil Round Sin Cos Reciprocal ThresholdedRelu",
  pool: "MaxPool AveragePool GlobalAveragePool GlobalMaxPool LpPool Softmax LogSoftmax ReduceMean ReduceSum ReduceMax ReduceMin " +
    "ReduceProd LayerNormalization BatchNormalization InstanceNormalization GroupNormalization ArgMax ArgMin TopK CumSum",
  movement: "Reshape Flatten Squeeze Unsqueeze Identity Transpose Concat Split Slice Pad Gather GatherElements GatherND " +
    "ScatterND Expand Tile Resize Upsample DepthToSpace SpaceToDepth State Constant Shape",
  convert: "QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
};
const CLASS_OF = {};
for (const [kind, names] of Object.entries(OPERATORS)) for (const name of names.split(" ")) CLASS_OF[name] = kind;
const kindOf = (layer) => / depthwise /.test(layer.detail) ? "depthwise" : CLASS_OF[layer.op] || "other";
const colour = (layer) => `var(--${kindOf(layer)})`;

function legend(layers) {
  const used = new Set(layers.map(kindOf));
  const box = make("div", { class: "legend" });
  for (const [kind, words] of Object.entries(CLASSES)) {
    if (used.has(kind)) box.append(make("span", {}, make("i", { style: `background:var(--${kind})` }), words));
  }
  return box;
}

const tip = document.getElementById("tip");
function explain(node, words) {
  node.addEventListener("mousemove", (event) => {
    tip.textContent = typeof words === "function" ? words() : words;
    tip.style.display = "block";
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
    tip.style.top = `${event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18}px`;
  });
  node.addEventListener("mouseleave", () => { tip.style.display = "none"; });
  return node;
}

function heading(title, subtitle, lead) {
  main.append(make("h1", {}, title, make("small", {}, subtitle)), make("p", { class: "lead" }, lead));
}

function figures(pairs) {
  const box = make("div", { class: "figures" });
  for (const [value, words] of pairs) box.append(make("div", { class: "figure" }, make("b", {}, value), make("span", {}, words)));
  main.append(box);
}

function section(title, hint, ...content) {
  main.append(make("h2", {}, title), make("p", { class: "hint" }, hint), ...content);
}

// A name without what would not fit into a width of pixels, cut in front: the end of an ONNX name tells it apart.
function fit(text, width, perCharacter = 6.6) {
  const room = Math.floor(width / perCharacter);
  if (text.length <= room) return text;
  return room < 3 ? "" : `…${text.slice(text.length - room + 1)}`;
}

// Columns: {title, value (to sort by), text or node, right}.
function table(columns, rows) {
  const head = make("tr"), body = make("tbody");
  let by = -1, down = true;
  const fill = () => {
    const order = rows.map((_, index) => index);
    if (by >= 0) {
      const value = columns[by].value;
      order.sort((a, b) => {
        const x = value(rows[a], a), y = value(rows[b], b);
        return (x < y ? -1 : x > y ? 1 : a - b) * (down ? -1 : 1);
      });
    }
    body.replaceChildren(...order.map((index) => make("tr", {}, ...columns.map((column) => {
      const content = column.text(rows[index], index);
      const cell = make("td", { class: `${column.right ? "right" : ""} ${column.name ? "name" : ""}` }, content);
      if (column.name) cell.title = content;
      return cell;
    }))));
    [...head.children].forEach((cell, index) => cell.classList.toggle("sorted", index === by));
  };
  columns.forEach((column, index) => {
    const cell = make("th", { class: `sortable ${column.right ? "right" : ""}` }, column.title);
    cell.addEventListener("click", () => { down = by === index ? !down : Boolean(column.right); by = index; fill(); });
    head.append(cell);
  });
  fill();
  return make("div", { class: "card" }, make("table", {}, make("thead", {}, head), body));
}
