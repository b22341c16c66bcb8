// Preloaded in a thread that runs from src/ (tests, development): tsx of the main thread doesn't reach a thread on Node 20.
// Not part of what is built.
import { register } from 'tsx/esm/api';

register();
