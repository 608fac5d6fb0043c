/**
 * The thread of a CloudFront Function, which can be ended from outside if the function loops.
 * @module
 */
import { parentPort, workerData } from 'node:worker_threads';
import { objectOr, requireString } from '../template/json.ts';
import { compileProgram, loadProgram } from './edge-program.ts';

const port = parentPort;
if (port === null) throw new Error('this module is started as a worker');

const { code, at } = objectOr(workerData);
const program = compileProgram(requireString(code, 'the code'), requireString(at, 'the name'));
const evaluate = loadProgram(program, (line) => port.postMessage({ line }));
port.on('message', (input: unknown) => port.postMessage({ output: evaluate(String(input)) ?? '' }));
port.postMessage({ ready: true });
