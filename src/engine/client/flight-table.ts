import { fromWireError, type ResidentError } from '../errors.js';
import type { FromEngine, ToEngine } from '../protocol.js';
import type { Flight, FlightEvent } from './flight.js';

/** What an engine answers to a request. */
export type FlightAnswer = Extract<FromEngine, { type: 'event' | 'result' | 'failed' }>;

/** The requests that an engine works on, by the ids that messages name them with. */
export class FlightTable {
  readonly #send: (message: ToEngine) => void;
  readonly #flights = new Map<number, Flight<FlightEvent>>();
  #lastId = 0;
  #finished = 0;

  /** @param send to the engine */
  constructor(send: (message: ToEngine) => void) {
    this.#send = send;
  }

  get size(): number {
    return this.#flights.size;
  }

  /** Requests that were answered whole. */
  get finished(): number {
    return this.#finished;
  }

  /** Sends it to the engine, and tells that when nobody wants it any more. */
  add(flight: Flight<FlightEvent>): void {
    const id = ++this.#lastId;
    this.#flights.set(id, flight);
    flight.onCancel = () => {
      this.#flights.delete(id);
      this.#send({ type: 'cancel', id });
    };
    const { plan } = flight;
    this.#send('call' in plan ? { type: 'call', id, ...plan } : { type: 'generate', id, ...plan });
  }

  answer(message: FlightAnswer): void {
    const { id } = message;
    const flight = this.#flights.get(id);
    if (message.type === 'failed') {
      this.#flights.delete(id);
      return flight?.stream.fail(fromWireError(message.error));
    }
    const event: FlightEvent = message.type === 'event' ? message.event : message;
    if (event.type === 'finish' || event.type === 'result') {
      this.#finished++;
      this.#flights.delete(id);
    }
    if (!flight) return;
    flight.answered = true;
    flight.stream.push(event);
  }

  /** Those that `isTaken` says yes to aren't its affair any more. */
  takeOut(isTaken: (flight: Flight<FlightEvent>) => boolean): void {
    for (const [id, flight] of this.#flights) if (isTaken(flight)) this.#flights.delete(id);
  }

  /** All of them end with this error, and the engine need not go on. */
  failAll(error: ResidentError): void {
    for (const [id, { stream }] of this.#flights) {
      stream.fail(error);
      this.#send({ type: 'cancel', id });
    }
    this.#flights.clear();
  }
}
