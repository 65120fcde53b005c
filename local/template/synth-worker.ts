import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import type { SynthesisRequest } from './synthesize.ts';

/** Synthesizes in a thread of its own: the CDK takes seconds of CPU time and a few hundred megabytes, which the thread's end frees. */
const request: SynthesisRequest = workerData;
const module: { buildApp(options: object): { app: { synth(): unknown } } } = await import(
  pathToFileURL(request.appFile).href
);
const { app } = module.buildApp({
  stage: 'local',
  // Nothing is deployed from here: no bundles, and no copies of the image's sources.
  context: {
    'aws:cdk:bundling-stacks': [],
    'aws:cdk:disable-asset-staging': true,
    'aws:cdk:enable-path-metadata': false,
  },
  outdir: request.outDir,
});
app.synth();
parentPort?.postMessage('done');
