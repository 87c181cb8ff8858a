/** Asks fleet.mjs what a test wants to know: one JSON request on standard input, one JSON answer out. */
import { readFileSync } from "node:fs";

import { decodeCbor, dequantize, load, quantize } from "../../../modules/abi/fleet.mjs";

const unbase64 = (text) => Uint8Array.from(Buffer.from(text, "base64"));
const floats = (text) => new Float32Array(unbase64(text).buffer);
const base64 = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");

const actions = {
  quantize({ values, scale, zeroPoint, type }) {
    const input = floats(values), result = new globalThis[type](input.length);
    quantize(input, scale, zeroPoint, result);
    return base64(result);
  },
  dequantize: ({ values, scale, zeroPoint }) => base64(dequantize(new Int8Array(unbase64(values)), scale, zeroPoint)),
  cbor: ({ bytes }) => decodeCbor(unbase64(bytes).buffer),
  async run({ wasm, inputs }) {
    const model = await load(unbase64(wasm));
    const given = Object.fromEntries(Object.entries(inputs).map(([name, text]) => [name, floats(text)]));
    const outputs = Object.entries(model.run(given)).map(([name, array]) => [name, base64(array)]);
    const { name, version, inputs: takes, layers } = model;
    return { name, version, takes, layers, outputs: Object.fromEntries(outputs) };
  },
};

const { action, ...request } = JSON.parse(readFileSync(0, "utf8"));
let answer;
try {
  answer = { ok: await actions[action](request) };
} catch (error) {
  answer = { error: `${error.name}: ${error.message}` };
}
process.stdout.write(JSON.stringify(answer));
