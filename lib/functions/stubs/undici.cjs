/**
 * Replaces undici in the bundles with the parts that the functions use. Its index loads all of it, such as fetch, caches, WebSockets
 * and mocks, which takes 25 ms of CPU time in every cold start. `undici-lib` is its folder `lib` (hub-function.ts).
 * @module
 */
module.exports = {
  Client: require('undici-lib/dispatcher/client.js'),
  buildConnector: require('undici-lib/core/connect.js'),
  errors: require('undici-lib/core/errors.js'),
};
