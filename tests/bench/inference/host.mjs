/** Times inferences in Node: ours and the peers, behind one interface.
 *
 * One JSON request a line on standard input, one JSON answer a line on standard output:
 *   {"do": "load", "id", "engine", "model", "input"} -> {"output": [...]}    float32 input from a file
 *   {"do": "time", "id", "count"}                    -> {"seconds"}          of one inference
 *   {"do": "cold", "model", "input"}                 -> {"seconds"}          bytes to first result, ours
 * An error is {"error": "..."}. The folder of the installed packages is the first argument.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import vm from "node:vm";

import { load } from "../../../modules/abi/fleet.mjs";

const packages = process.argv[2];
const loaded = new Map();

const floats = (path) => {
  const bytes = readFileSync(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};

const once = (make) => {
  let made;
  return () => (made ??= make());
};

const ortWeb = once(async () => {
  const ort = await import(pathToFileURL(`${packages}/onnxruntime-web/dist/ort.node.min.mjs`));
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  return ort;
});

// LiteRT.js loads its Wasm with a script element or importScripts; Node has neither.
const liteRt = once(async () => {
  const require = createRequire(import.meta.url);
  globalThis.self = globalThis;
  globalThis.importScripts = (path) => {
    const script = `(function (require, __filename, __dirname) { ${readFileSync(path, "utf8")}; return ModuleFactory; })`;
    const factory = vm.runInThisContext(script, { filename: path });
    globalThis.ModuleFactory = factory(createRequire(path), path, dirname(path));
  };
  const lite = await import(pathToFileURL(`${packages}/@litertjs/core/dist/index.js`));
  await lite.loadLiteRt(`${packages}/@litertjs/core/wasm/`);
  return lite;
});

/** Each makes a function from float32 input to float32 output, as an application would call it. */
const engines = {
  async ours(path, input) {
    const model = await load(readFileSync(path));
    const [x] = model.inputs, [y] = model.outputs;
    return () => model.run({ [x.name]: input })[y.name];
  },

  /** The loop inside the module: one call runs it as often as asked. */
  async inside(path, input) {
    const model = await load(readFileSync(path));
    model.run({ [model.inputs[0].name]: input });
    const driver = await WebAssembly.instantiate(await WebAssembly.compile(readFileSync(process.argv[3])), {
      module: { run: model.exports.run, run_layer: model.exports.run_layer },
    });
    return Object.assign(() => model.outputViews[0], { loop: (count) => driver.exports.whole(count) });
  },

  async ortweb(path, input) {
    const ort = await ortWeb();
    const session = await ort.InferenceSession.create(readFileSync(path), { executionProviders: ["wasm"] });
    const [x] = session.inputNames, [y] = session.outputNames;
    const dims = session.inputMetadata[0].shape;
    return async () => {
      const results = await session.run({ [x]: new ort.Tensor("float32", input, dims) });
      return results[y].data;
    };
  },

  async litert(path, input) {
    const lite = await liteRt();
    const model = await lite.loadAndCompile(new Uint8Array(readFileSync(path)), { accelerator: "wasm" });
    const shape = [...model.getInputDetails()[0].shape];
    return async () => {
      const tensor = new lite.Tensor(input, shape);
      const [result] = await model.run(tensor);
      const values = result.toTypedArray();
      tensor.delete();
      result.delete();
      return values;
    };
  },
};

const actions = {
  async load({ id, engine, model, input }) {
    const infer = await engines[engine](model, floats(input));
    loaded.set(id, infer);
    return { output: Array.from(await infer()) };
  },

  async time({ id, count }) {
    const infer = loaded.get(id);
    const start = performance.now();
    if (infer.loop) infer.loop(count);
    else for (let i = 0; i < count; ++i) await infer();
    return { seconds: (performance.now() - start) / 1000 / count };
  },

  async cold({ model, input }) {
    const bytes = readFileSync(model), values = floats(input);
    const start = performance.now();
    const ready = await load(bytes);
    ready.run({ [ready.inputs[0].name]: values });
    return { seconds: (performance.now() - start) / 1000 };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = await actions[request.do](request);
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
