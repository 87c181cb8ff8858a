/** Runs compiled models in JavaScript: browsers, Node, Deno.
 *
 *     import { load } from "./fleet.mjs";
 *     const model = await load(await (await fetch("crop-model.wasm")).arrayBuffer());
 *     const { y } = model.run({ x: new Float32Array(36) });
 */

const RUN_OK = 0;
// Shapes in the name of a layer.
const MOST_NAMED = 3;
// Adding it to a double below 2^51 leaves no fraction bits: rounds half to even.
const ROUND = 6755399441055744;
// The bits of 1.5 * 2^23, which does the same in float32.
const ROUND_F32 = 0x4b400000;

// convert.wat, assembled, in base64.
const CONVERT =
  "AGFzbQEAAAABCgFgBn9/fX19fwADAgEABQMBAAEHFQIGbWVtb3J5AgAIcXVhbnRpemUAAAptAWsCAX8BewNAIAZBAnT9AAQAIAL9" +
  "E/3nASEHIAP9EyAH/esBIQcgBP0TIAf96gEhByAHQwAAQEv9E/3kASAF/RH9sQEhByAHIAf9hQEhByABIAZqIAcgB/1l/VoCAAAgBkEEaiIGIABJDQALCw==";
const PAGE = 65536;

const TYPES = {
  bool: Uint8Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array,
  int32: Int32Array, uint32: Uint32Array, int64: BigInt64Array, uint64: BigUint64Array,
  float16: Uint16Array, float32: Float32Array, float64: Float64Array,
};

/** A module could not be loaded or run. `layer` is the index of the layer that ran, if one did. */
export class ModelError extends Error {
  constructor(message, layer) {
    super(message);
    this.name = "ModelError";
    this.layer = layer;
  }
}

/** Compiles and instantiates a module.
 * @param {BufferSource} bytes The file.
 * @returns {Promise<Model>}
 */
export async function load(bytes) {
  const module = await WebAssembly.compile(bytes);
  const [section] = WebAssembly.Module.customSections(module, "fleet.meta");
  if (!section) throw new ModelError("this WebAssembly file has no fleet.meta section: it was not made by fleet");
  return new Model(await WebAssembly.instantiate(module), describe(decodeCbor(section)));
}

/** One instance of a model. Its inputs and outputs: `{name, dtype, shape, scale?, zeroPoint?, labels?}`. */
export class Model {
  constructor(instance, meta) {
    Object.assign(this, meta);
    this.exports = instance.exports;
    // Memory never grows and places are constant: one view of each serves as long as the instance.
    const view = (place) => (tensor, index) => {
      const count = tensor.shape.reduce((a, b) => a * b, 1);
      return new TYPES[tensor.dtype](this.exports.memory.buffer, this.exports[place](index), count);
    };
    this.inputViews = this.inputs.map(view("input"));
    this.outputViews = this.outputs.map(view("output"));
  }

  /** One inference.
   * @param {Object<string, ArrayLike>} inputs For each input its elements in C order: floats where it has a
   *     scale, else of its own type.
   * @returns {Object<string, TypedArray>} New arrays: Float32Array for outputs with a scale. Of an output whose
   *     size depends on data, only what it holds; see `dims`.
   */
  run(inputs) {
    this.#give(inputs);
    if (this.#call() !== RUN_OK) throw this.#nonfinite(inputs);
    const outputs = {};
    this.outputs.forEach((tensor, index) => {
      const dims = this.dims(index);
      const view = this.outputViews[index].subarray(0, dims.reduce((a, b) => a * b, 1));
      outputs[tensor.name] =
        tensor.scale === undefined ? view.slice() : dequantize(view, tensor.scale, tensor.zeroPoint);
    });
    return outputs;
  }

  /** Runs on what `inputViews` hold, at the module's own types; results are in `outputViews` until the next run. */
  runRaw() {
    // Inputs are gone after a run: only `run` can look for the layer.
    if (this.#call() !== RUN_OK) throw new ModelError("an output is not a finite number");
  }

  #give(inputs) {
    this.inputs.forEach((tensor, index) => {
      const values = inputs[tensor.name], view = this.inputViews[index];
      if (!values) throw new ModelError(`input ${tensor.name} is missing`);
      if (values.length !== view.length) {
        throw new ModelError(`input ${tensor.name} has ${values.length} elements, ${view.length} are needed`);
      }
      if (tensor.scale === undefined) view.set(values);
      else quantize(values, tensor.scale, tensor.zeroPoint, view);
    });
  }

  #call(name = "run", ...words) {
    try {
      return this.exports[name](...words);
    } catch (error) {
      throw new ModelError(`trap in ${this.layerName()}: ${error.message}`, this.exports.fleet_layer.value);
    }
  }

  /** Runs once more, layer by layer, and leaves memory, state above all, as it was. */
  #nonfinite(inputs) {
    const memory = new Uint8Array(this.exports.memory.buffer), left = memory.slice();
    try {
      this.#give(inputs);
      const bad = this.inputs.find((tensor, index) => some(this.inputViews[index], isNotFinite));
      if (bad) return new ModelError(`input ${bad.name} has a NaN or an infinity, and so has an output`);
      const layer = this.#firstNonfinite(), place = layer === undefined ? "" : ` in ${this.layerName(layer)}`;
      return new ModelError(`nonfinite${place}: an output is not a finite number`, layer);
    } finally {
      memory.set(left);
    }
  }

  /** The first layer that makes a NaN; if none does, the first that makes an infinity. */
  #firstNonfinite() {
    let infinite;
    for (let index = 0; index < this.layers.length; ++index) {
      this.#call("run_layer", index);
      const { dtype, offset, shape } = this.layers[index], type = TYPES[dtype];
      const size = shape.reduce((a, b) => a * b, type.BYTES_PER_ELEMENT);
      // A copy, as an offset need not be one that a view may begin at.
      const values = new type(this.exports.memory.buffer.slice(offset, offset + size));
      if (some(values, Number.isNaN)) return index;
      if (some(values, isNotFinite)) infinite ??= index;
    }
    return infinite;
  }

  /** Makes the next run the first: a model with state forgets it. */
  reset() {
    this.exports.reset?.();
  }

  /** Sizes of an output after a run. */
  dims(index) {
    const shape = this.outputs[index].shape;
    if (!this.exports.output_dims) return shape;
    return [...new Int32Array(this.exports.memory.buffer, this.exports.output_dims(index), shape.length)];
  }

  /** A layer, the one that ran last unless given, as messages name it: node, operator, shapes. */
  layerName(index = this.exports.fleet_layer.value) {
    const layer = this.layers[index];
    if (!layer) return `layer ${index}`;
    const sizes = ({ shape }) => shape.join("x") || "scalar";
    const sources = layer.reads.map((n) => (n < 0 ? this.inputs[-1 - n] : this.layers[n])).filter(Boolean);
    const named = sources.slice(0, MOST_NAMED).map(sizes);
    if (sources.length > MOST_NAMED) named.push(`${sources.length - MOST_NAMED} more`);
    const given = named.length ? `${named.join(" and ")} ` : "";
    return `${layer.op.toLowerCase()}_${index} (${layer.name}, ${layer.detail}) ${given}-> ${sizes(layer)}`;
  }
}

const isNotFinite = (value) => !Number.isFinite(value);

function some(values, test) {
  return (values instanceof Float32Array || values instanceof Float64Array) && values.some(test);
}

let convert;

/** `clamp(x / s)`, rounded half to even, plus the zero point. NaN gives the lowest value. */
export function quantize(values, scale, zeroPoint, result) {
  const bits = result.BYTES_PER_ELEMENT * 8, count = values.length;
  const lowest = result instanceof Int8Array || result instanceof Int16Array ? -(2 ** (bits - 1)) : 0;
  const low = lowest - zeroPoint, high = lowest + 2 ** bits - 1 - zeroPoint;
  if (result instanceof Int8Array) {
    const bytes = () => Uint8Array.from(atob(CONVERT), (c) => c.charCodeAt(0));
    convert ??= new WebAssembly.Instance(new WebAssembly.Module(bytes())).exports;
    const to = (count + 3) * 4 & ~15, missing = to + count + 4 - convert.memory.buffer.byteLength;
    if (missing > 0) convert.memory.grow(Math.ceil(missing / PAGE));
    new Float32Array(convert.memory.buffer, 0, count).set(values);
    convert.quantize(count, to, scale, low, high, ROUND_F32 - zeroPoint);
    result.set(new Int8Array(convert.memory.buffer, to, count));
    return;
  }
  for (let i = 0; i < count; ++i) {
    const quotient = Math.fround(Math.fround(values[i]) / scale);
    const clamped = quotient > low ? (quotient < high ? quotient : high) : low;
    result[i] = clamped + ROUND - ROUND + zeroPoint;
  }
}

/** `(q - z) · s` in float32. */
export function dequantize(values, scale, zeroPoint) {
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; ++i) result[i] = (values[i] - zeroPoint) * scale;
  return result;
}

// The numbers are the keys of protocol/module.py.
function describe(meta) {
  let op, dtype, shape;
  const tensor = (t) => ({
    name: t[1], dtype: t[2], shape: t[3], scale: t[4], zeroPoint: t[5], labels: t[6],
  });
  return {
    name: meta[1], version: meta[2], target: meta[3],
    inputs: meta[5].map(tensor), outputs: meta[6].map(tensor),
    layers: meta[7].map((l) => {
      // A layer leaves out what the layer before it has the same.
      [op, dtype, shape] = [l[2] ?? op, l[4] ?? dtype, l[5] ?? shape];
      return { name: l[1], op, detail: l[3], dtype, shape, macs: l[6], offset: l[8], reads: l[10] ?? [] };
    }),
  };
}

/** Deterministic CBOR (RFC 8949, 4.2.1); maps become objects. */
export function decodeCbor(buffer) {
  const view = new DataView(buffer), text = new TextDecoder();
  let at = 0;
  const unsigned = (info) => {
    if (info < 24) return info;
    const size = 1 << (info - 24), start = at;
    at += size;
    if (size === 1) return view.getUint8(start);
    if (size === 2) return view.getUint16(start);
    return size === 4 ? view.getUint32(start) : Number(view.getBigUint64(start));
  };
  const special = (info) => {
    const start = at;
    if (info === 25) return (at += 2), half(view.getUint16(start));
    if (info === 26) return (at += 4), view.getFloat32(start);
    if (info === 27) return (at += 8), view.getFloat64(start);
    return { 20: false, 21: true, 22: null }[info];
  };
  const item = () => {
    const head = view.getUint8(at++), kind = head >> 5, info = head & 31;
    if (kind === 7) return special(info);
    const n = unsigned(info);
    if (kind === 0) return n;
    if (kind === 1) return -1 - n;
    if (kind === 2 || kind === 3) {
      const bytes = new Uint8Array(buffer, at, n);
      at += n;
      return kind === 2 ? bytes : text.decode(bytes);
    }
    if (kind === 4) return Array.from({ length: n }, item);
    if (kind === 5) return Object.fromEntries(Array.from({ length: n }, () => [item(), item()]));
    throw new ModelError(`fleet.meta holds CBOR of a kind that it cannot: ${head}`);
  };
  return item();
}

function half(bits) {
  const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
