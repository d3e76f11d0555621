/** Names of containers: which are allowed, and ones of our own making. */
import { randomInt } from 'node:crypto';
import { EngineError } from '../errors/engine-error.ts';

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Without the leading slash that Docker's clients may send. Throws `invalid_argument`. */
export function parseContainerName(text: string): string {
  const name = text.startsWith('/') ? text.slice(1) : text;
  if (!pattern.test(name)) {
    throw new EngineError(
      'invalid_argument',
      `Invalid container name (${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  }
  return name;
}

/** A name that is not taken: two words, then with a digit, at last the id's begin. */
export function generateName(id: string, isTaken: (name: string) => boolean): string {
  for (let attempt = 0; attempt < 6; attempt++) {
    const name = `${pick(adjectives)}_${pick(nouns)}${attempt < 2 ? '' : randomInt(10)}`;
    if (!isTaken(name)) return name;
  }
  return id.slice(0, 12);
}

function pick(words: readonly string[]): string {
  return words[randomInt(words.length)] ?? 'plain';
}

const adjectives: readonly string[] =
  `agile airy amber ample azure bold brave breezy bright brisk calm candid clever cosy crisp curious daring deft
  dapper eager early earnest fair fleet fluent fond frank fresh gentle glad golden grand happy hardy honest humble
  ideal jolly keen kind lively lucid lucky mellow merry mild modest nimble noble novel patient placid plucky polite
  proud quick quiet ready robust rosy rustic serene sharp shiny silent sincere smart snug solid spry steady still
  sturdy subtle sunny swift tidy tranquil trusty upbeat vivid warm wise witty young zesty`.split(/\s+/);

const nouns: readonly string[] =
  `acorn alder anchor aspen badger basin bay beacon beech birch bison bluff brook canyon cedar cliff clover comet
  condor coral cove crane creek curlew dune eagle ember falcon fern finch fjord forest fox garnet geyser glacier
  glade grove gull harbor hare hawk hazel heron hill holly ibex island jasper juniper kestrel lagoon lake larch lark
  lichen linden lynx maple marlin marsh marten meadow mesa moss oak opal orchid osprey otter owl peak pebble pine
  plover pond prairie quartz quail raven reef ridge river robin rowan sable sage seal shore sparrow spruce stone
  stork swan thicket thistle tide trout tundra valley walnut willow wren yew`.split(/\s+/);
