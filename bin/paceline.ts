import { buildApp } from '../lib/infra/app.ts';

buildApp().app.synth();
