/** Runs the jobs of jobs.py through fleet.mjs, in Node and in browsers. */
import { load } from "../../modules/abi/fleet.mjs";

/** @param {ArrayBuffer} jobs
 *  @returns {Promise<Uint8Array[]>} The answers in pieces. */
export async function answer(jobs) {
  const view = new DataView(jobs), pieces = [];
  let at = 0;
  const number = () => view.getUint32((at += 4) - 4, true);
  const numbers = () => Array.from({ length: number() }, number);
  const take = (size) => new Uint8Array(jobs, (at += size) - size, size);
  const give = (array) => pieces.push(new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice());

  const one = async () => {
    const model = await load(take(number()));
    const inputs = numbers();
    const outputs = Array.from({ length: number() }, () => ({ size: number(), rank: number() }));
    for (let steps = number(); steps > 0; --steps) {
      if (number()) model.reset();
      inputs.forEach((size, index) => {
        const { buffer, byteOffset, byteLength } = model.inputViews[index];
        new Uint8Array(buffer, byteOffset, byteLength).set(take(size));
      });
      // runRaw would throw where `run` says that an output is not finite.
      give(Int32Array.of(model.exports.run()));
      outputs.forEach(({ rank }, index) => {
        if (rank) give(Int32Array.from(model.dims(index)));
        give(model.outputViews[index]);
      });
    }
  };

  for (let job = 0; at < jobs.byteLength; ++job) {
    try {
      await one();
    } catch (error) {
      throw new Error(`job ${job}: ${error.message}`);
    }
  }
  return pieces;
}
