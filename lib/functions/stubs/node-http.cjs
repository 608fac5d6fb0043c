/**
 * Replaces node:http in the bundles. If a module imports or requires node:http, Node reads all of its exports, and the WebSocket
 * exports load an HTTP client that the functions do not use. That takes 18 ms of CPU time and 10 MB in every cold start
 * (Node 24, https://github.com/nodejs/node/blob/v24.x/lib/http.js).
 * @module
 */
module.exports = process.getBuiltinModule('node:http');
