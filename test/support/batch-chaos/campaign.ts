import { seededRandom, wholeBetween } from '../../../bench/support/seeded-random.js';
import type { Victim } from './attacks.js';
import { scriptedLines, type RoundLines } from './lines.js';
import { runRound, type RoundReport } from './round.js';
import { ChaosSystem, type SystemShape } from './system.js';

/** Rounds over one system, one batch each. */
export interface Campaign {
  readonly shape: SystemShape;
  readonly rounds: number;
  /** Of a batch. */
  readonly lines: number;
  /** One or two of these are killed in a round. */
  readonly victims: readonly Victim[];
  /** The same seed, the same plan; what comes of it depends on the machine's timing, too. */
  readonly seed: string;
}

/** Runs the rounds one after another, on servers that live on from round to round. @param onRound sees each as it ends */
export async function runCampaign(
  campaign: Campaign,
  onRound: (report: RoundReport) => void = () => undefined,
): Promise<RoundReport[]> {
  const reports: RoundReport[] = [];
  const system = await ChaosSystem.start(campaign.shape);
  try {
    const answer = campaign.shape.engine === 'embedded' ? await embeddedAnswers(system.url) : undefined;
    for (let round = 1; round <= campaign.rounds; round++) {
      const random = seededRandom(`${campaign.seed}/${round}`);
      const name = `round-${round}`;
      const lines = answer ? embeddedLines(campaign.lines, answer) : scriptedLines(name, campaign.lines);
      const victims = chooseVictims(campaign, round, random);
      const report = await runRound(system, { name, lines, victims, random });
      reports.push(report);
      onRound(report);
    }
    return reports;
  } finally {
    await system.dispose();
  }
}

/** Each in turn, so that few rounds have them all; in every other round a second one. */
function chooseVictims({ victims }: Campaign, round: number, random: () => number): Victim[] {
  const first = victims[(round - 1) % victims.length] as Victim;
  const second = victims[wholeBetween(random, 0, victims.length - 1)] as Victim;
  return random() < 0.5 ? [first] : [first, second];
}

const OPENINGS = ['Once upon a time', 'The old king', 'In a deep forest', 'A poor woodcutter'] as const;
const EMBEDDED_TOKENS = 2;

/** What the model says to each prompt by itself: greedy, it says the same in a batch. */
async function embeddedAnswers(url: string): Promise<ReadonlyMap<string, string>> {
  const answers = new Map<string, string>();
  for (const prompt of OPENINGS) {
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'tales', prompt, max_tokens: EMBEDDED_TOKENS, temperature: 0 }),
    });
    const { choices } = (await response.json()) as { choices: readonly { readonly text: string }[] };
    answers.set(prompt, choices[0]?.text ?? '');
  }
  return answers;
}

function embeddedLines(count: number, answers: ReadonlyMap<string, string>): RoundLines {
  return {
    prompts: Array.from({ length: count }, (_, i) => OPENINGS[i % OPENINGS.length] as string),
    maxTokens: EMBEDDED_TOKENS,
    answer: (prompt) => answers.get(prompt) ?? '',
  };
}
