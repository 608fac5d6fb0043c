/**
 * Replaces node:http2 in the bundles. undici loads it, and the functions never use it: all connections are HTTP/1.1. The module
 * takes 2 ms of CPU time in every cold start.
 * @module
 */
module.exports = { constants: {} };
