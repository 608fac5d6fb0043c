/**
 * Stands in for node:http in the bundles. Where a module imports it, Node reads every export of it, and those of WebSocket
 * load an HTTP client that the functions do not use: 18 ms of processor time and 10 MB in every cold start, of 80 ms and 66 MB
 * (Node 24, https://github.com/nodejs/node/blob/v24.x/lib/http.js).
 * @module
 */
module.exports = process.getBuiltinModule('node:http');
