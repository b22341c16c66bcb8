import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { GOLDEN, GOLDEN_SKIP, TALES } from '../../../support/models.js';
import { loadTokenizer } from '../../helpers/tokenizers.js';
import { byteLevelFiles, tokenizerFrom, unigramFiles, unsplitFiles } from './synthetic-tokenizers.js';

export interface TokenizerSource {
  readonly name: string;
  readonly absent?: boolean;
  /** To be called in a test. */
  readonly load: () => Promise<PreTrainedTokenizer>;
}

/** Tokenizers of every kind that a decoder-only model comes with. */
export const SOURCES: readonly TokenizerSource[] = [
  { name: 'tales', load: () => loadTokenizer(TALES.source) },
  {
    name: `stories260K (${GOLDEN_SKIP})`,
    absent: !GOLDEN,
    load: () => loadTokenizer(GOLDEN?.model.source as string),
  },
  { name: 'byte-level BPE', load: () => tokenizerFrom(byteLevelFiles()) },
  { name: 'Unigram', load: () => tokenizerFrom(unigramFiles()) },
  { name: 'BPE without splitting', load: () => tokenizerFrom(unsplitFiles()) },
];
