/** node.mjs JOBS ANSWERS: runs jobs in Node. */
import { readFileSync, writeFileSync } from "node:fs";

import { answer } from "./engine.mjs";

const [jobs, answers] = process.argv.slice(2);
writeFileSync(answers, Buffer.concat(await answer(new Uint8Array(readFileSync(jobs)).buffer)));
