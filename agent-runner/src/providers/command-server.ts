import { resolveCommand, toInput } from './command-input.ts';
import type {
  Provider,
  ProviderContext,
  Reply,
  Turn,
  TurnEvents,
  TurnMessage,
  TurnResult,
} from './provider.ts';
import { readServedLine, type ServedLine } from './served-line.ts';
import { type ServedProgram, serveProgram } from './served-program.ts';
import { TurnError } from './turn-error.ts';

/** What the program is asked: a turn's messages, or follow-ups that it did not take in the turn before. */
interface Question {
  number: number;
  events: TurnEvents;
  /** Follow-ups that it was given and has not said to have taken. */
  given: TurnMessage[];
  took: string[];
  /** What it says at once, in mid-turn: one after the other. */
  sending: Promise<void>;
  spoke: boolean;
  aborted: boolean;
  end: PromiseWithResolvers<Reply>;
}

/**
 * A program that answers turn after turn, for the container's life: JSON lines in and out. A follow-up counts as taken when
 * the program says so; one that it had not seen when it ended its turn is asked of it again, so that none is lost.
 */
export class CommandServer implements Provider {
  push?: (messages: TurnMessage[]) => boolean;
  readonly #context: ProviderContext;
  #program: ServedProgram | undefined;
  #question: Question | undefined;
  #number = 0;

  constructor(context: ProviderContext) {
    this.#context = context;
    if (context.session.agent.options.followUps === true) this.push = (messages) => this.#giveMore(messages);
  }

  async runTurn(turn: Turn, events: TurnEvents): Promise<TurnResult> {
    for (let { messages } = turn; ; ) {
      const question = this.#ask({ ...turn, messages }, events);
      const reply = await question.end.promise;
      const left = question.given.filter((one) => !one.context && !question.took.includes(one.id));
      const taken = [...messages, ...question.given].filter((one) => !left.includes(one));
      const part = { replies: [{ ...reply, answers: taken.map((one) => one.id) }] };
      if (left.length === 0) return part;
      await events.answer(part);
      messages = left;
    }
  }

  abort(killAfterMs: number): void {
    const question = this.#question;
    const program = this.#program;
    if (!question || !program) return;
    question.aborted = true;
    program.say({ turn: question.number, abort: true });
    setTimeout(() => {
      if (this.#question === question) this.#drop(program);
    }, killAfterMs).unref();
  }

  processes(): number[] {
    return this.#program?.pid === undefined ? [] : [this.#program.pid];
  }

  async close(): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    await program?.close();
  }

  #ask(turn: Turn, events: TurnEvents): Question {
    this.#program ??= this.#start(turn);
    this.#number += 1;
    const number = this.#number;
    const question: Question = {
      ...{ number, events, given: [], took: [], spoke: false, aborted: false },
      sending: Promise.resolve(),
      end: Promise.withResolvers(),
    };
    this.#question = question;
    this.#program.say({ turn: number, ...toInput(turn, this.#context) });
    return question;
  }

  #start(turn: Turn): ServedProgram {
    const { groupDir } = this.#context.environment;
    const program: ServedProgram = serveProgram({
      command: resolveCommand(turn.session, groupDir),
      cwd: groupDir,
      onLine: (line) => {
        if (this.#program === program) this.#hear(line, program);
      },
      onEnd: (why) => {
        if (this.#program !== program) return;
        this.#program = undefined;
        if (this.#question) this.#finish(why);
        else this.#context.log(`between two turns: ${why.message} It is started anew for the next.`);
      },
    });
    return program;
  }

  #giveMore(messages: TurnMessage[]): boolean {
    const question = this.#question;
    if (!question || question.aborted || !this.#program) return false;
    question.given.push(...messages);
    this.#program.say({ turn: question.number, more: messages });
    return true;
  }

  #hear(text: string, program: ServedProgram): void {
    const question = this.#question;
    try {
      const line = readServedLine(text);
      if (!question || line.turn !== question.number)
        this.#context.log(`the program spoke of turn ${line.turn}, which is over: not heeded`);
      else if (!question.aborted) this.#heed(question, line);
      else if (line.done || line.error) this.#finish(new TurnError('aborted', 'The turn was stopped.'));
    } catch (error) {
      if (!(error instanceof TurnError)) throw error;
      // Whatever it says next belongs to nobody knows what.
      if (question) this.#drop(program, error);
      else this.#context.log(error.message);
    }
  }

  #heed(question: Question, line: ServedLine): void {
    const { events } = question;
    question.took.push(...(line.took ?? []));
    if (line.error || line.done) {
      this.#finish(line.error ?? line.reply ?? nothingMore(question));
      return;
    }
    if (line.reply) this.#sendNow(question, line.reply);
    if (line.draft !== undefined) events.onText(line.draft);
    if (line.tool !== undefined) events.onTool(line.tool);
    if (line.draft === undefined && line.tool === undefined) events.onLife();
  }

  #sendNow(question: Question, reply: Reply): void {
    if (reply.silent) return;
    question.spoke = true;
    question.sending = question.sending
      .then(() => question.events.send(reply))
      .catch((error: Error) => this.#context.log(`it was not sent: ${error.message}`));
  }

  /** Ends what is asked, once all that was said before is on its way. */
  #finish(how: Reply | TurnError): void {
    const question = this.#question;
    this.#question = undefined;
    if (how instanceof TurnError) question?.end.reject(how);
    else void question?.sending.then(() => question.end.resolve(how));
  }

  /** The program goes on no more; the next turn starts it anew. */
  #drop(program: ServedProgram, why = new TurnError('aborted', 'The turn was stopped.')): void {
    if (this.#program === program) this.#program = undefined;
    program.kill();
    this.#finish(why);
  }
}

/** Of a turn that ends without a text. Where nothing was said at all, silence is meant only when it is said to be. */
function nothingMore(question: Question): Reply | TurnError {
  if (question.spoke) return { text: '', silent: true };
  return new TurnError(
    'permanent',
    'The program ended the turn without a text; where nothing is to be said, it says "silent": true.',
  );
}
