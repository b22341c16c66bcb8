import type { ToolFormat } from '../types.js';

/** What begins and ends a call, as tokens that a tokenizer may count as special. */
export const MARKERS: readonly string[] = ['<tool_call>', '</tool_call>', '[TOOL_CALLS]'];

/**
 * The format in which a model writes calls, told by its chat template.
 * @returns undefined if it has no tools, or none of these formats
 */
export function formatOf(template: string): ToolFormat | undefined {
  if (!/\btools\b/.test(template)) return undefined;
  // the later formats of Qwen and GLM: XML inside of the same tags
  if (/<function=|<arg_key>|<parameter=/.test(template)) return undefined;
  if (template.includes('<tool_call>')) return 'hermes';
  // the later format of Mistral: [TOOL_CALLS]name[ARGS]{...}
  if (template.includes('[TOOL_CALLS]')) return template.includes('[ARGS]') ? undefined : 'mistral';
  return /["']parameters["']\s*:/.test(template) || template.includes('<|python_tag|>') ? 'llama' : undefined;
}
