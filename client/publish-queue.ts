/**
 * A queue for each channel: what is published on it goes out in the order of the calls, one after the other. Two requests
 * that are under way at once overtake each other, on the network and in the hub. Channels do not wait for each other.
 * @module
 */
import { TidingsError } from './errors.ts';
import type { Publication } from './publication.ts';
import { PUBLISH_MS, type Publisher, publish } from './publish.ts';

interface Job {
  readonly publication: Publication;
  /** When it was handed over. */
  readonly since: number;
  readonly resolve: (offset: string) => void;
  readonly reject: (error: unknown) => void;
}

/** Returns what publishes in the order of its calls. */
export function publishQueue(publisher: Publisher): (publication: Publication) => Promise<string> {
  const { host, signal } = publisher;
  const queues = new Map<string, Job[]>();

  async function serve(channel: string, jobs: Job[]): Promise<void> {
    // A publish that waits behind others has its minute from the last answer on: a long queue that moves is no fault.
    let answered = 0;
    for (let job = jobs[0]; job; jobs.shift(), job = jobs[0]) {
      const within = Math.max(job.since, answered) + PUBLISH_MS - host.now();
      try {
        if (signal.aborted) throw notSent('the client is closed');
        if (within <= 0) throw notSent('those before it were not answered in time');
        job.resolve(await publish(publisher, job.publication, within));
        answered = host.now();
      } catch (error) {
        if (error instanceof TidingsError && error.code !== 'unavailable') answered = host.now();
        job.reject(error);
      }
    }
    queues.delete(channel);
  }

  return (publication) =>
    new Promise((resolve, reject) => {
      const job = { publication, since: host.now(), resolve, reject };
      const waiting = queues.get(publication.channel);
      if (waiting) return void waiting.push(job);
      const jobs = [job];
      queues.set(publication.channel, jobs);
      void serve(publication.channel, jobs);
    });
}

const notSent = (why: string): TidingsError =>
  new TidingsError('unavailable', `the messages were not sent: ${why}`);
