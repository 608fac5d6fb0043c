/**
 * The backend of the chat: it serves the page, and mints tokens that allow the rooms and nothing else. Messages do not pass it.
 * @module
 */
import { hubOfEnvironment, startApplication } from '../shared/application.ts';

await startApplication(hubOfEnvironment(), {
  title: 'Chat',
  folder: import.meta.dirname,
  rightsOf: () => ({ 'demo/chat/*': ['publish', 'subscribe'] }),
});
