"""Pairs of made-up captions, questions, headlines and everyday sentences, graded 0 to 5 by what they share.

Everything is drawn from the word lists below. "a/b" are two ways to say the same; words of one list are siblings.
"""
import random, re

PEOPLE = "man/guy/gentleman woman/lady boy/lad girl child/kid baby/infant toddler person/someone chef/cook doctor/physician nurse soldier worker/labourer farmer dancer singer teacher student/pupil climber cyclist/biker runner/jogger swimmer skier musician carpenter surfer cowboy policeman/cop firefighter tourist waiter".split()
ANIMALS = "dog/hound puppy cat kitten horse/pony cow sheep goat monkey elephant lion tiger bear bird duck rabbit/bunny panda fox squirrel giraffe zebra".split()
ADJECTIVES = "young old tall small/little big/large white black brown red blue green yellow happy/smiling wet blond bald".split()
PLACES = "in the park|at the beach/on the shore|on the street/on the road|in the kitchen|in a garden|in the snow|on a couch/on a sofa|in a field/on a meadow|near a lake|in a pool/in a swimming pool|on a stage|in a forest/in the woods|in an office|on a bench|at a restaurant|in a gym|on a mountain|at the station|by a river|in a classroom".split("|")
OBJECTS = {
    "instrument": "guitar piano violin/fiddle flute trumpet drum cello harp saxophone keyboard".split(),
    "food": "onion potato tomato carrot cucumber pepper bread/loaf meat fish egg cake/pie apple/fruit cheese shrimp pizza sandwich banana garlic".split(),
    "vehicle": "bicycle/bike motorcycle/motorbike scooter skateboard horse bus car/automobile truck/lorry tractor boat train".split(),
    "thing": "book/novel ball box/carton bag phone/telephone camera bottle flower letter newspaper/paper stick/rod rope toy/plaything umbrella chair laptop/computer picture/painting".split(),
    "clothes": "hat/cap dress jacket/coat shirt helmet scarf suit mask uniform sweater".split(),
    "game": "football/soccer basketball tennis chess cards golf baseball cricket hockey rugby poker".split(),
    "house": "wall door/gate floor window car fence roof table dish/plate garage bathroom carpet/rug".split(),
}
# what somebody does: third person, -ing form, infinitive; then the kind of object
VERBS = [v.split("|") for v in """plays,playing,play|instrument
cuts/slices/chops,cutting/slicing/chopping,cut/slice/chop|food
eats/consumes,eating/consuming,eat/consume|food
cooks/prepares,cooking/preparing,cook/prepare|food
peels,peeling,peel|food
fries,frying,fry|food
buys/purchases,buying/purchasing,buy/purchase|food
washes/rinses,washing/rinsing,wash/rinse|food
rides,riding,ride|vehicle
drives,driving,drive|vehicle
pushes/shoves,pushing/shoving,push/shove|vehicle
repairs/fixes/mends,repairing/fixing/mending,repair/fix/mend|vehicle
sells,selling,sell|vehicle
buys/purchases,buying/purchasing,buy/purchase|vehicle
holds/carries,holding/carrying,hold/carry|thing
throws/tosses,throwing/tossing,throw/toss|thing
drops,dropping,drop|thing
opens/unwraps,opening/unwrapping,open/unwrap|thing
looks at/watches,looking at/watching,look at/watch|thing
draws/sketches,drawing/sketching,draw/sketch|thing
wears,wearing,wear|clothes
puts on,putting on,put on|clothes
takes off/removes,taking off/removing,take off/remove|clothes
plays,playing,play|game
watches,watching,watch|game
paints,painting,paint|house
cleans/scrubs,cleaning/scrubbing,clean/scrub|house
builds/constructs,building/constructing,build/construct|house
breaks/smashes,breaking/smashing,break/smash|house
runs/races,running/racing,run/race|
sleeps/naps,sleeping/napping,sleep/nap|
jumps/leaps,jumping/leaping,jump/leap|
swims,swimming,swim|
dances,dancing,dance|
sings,singing,sing|
laughs/giggles,laughing/giggling,laugh/giggle|
cries/weeps,crying/weeping,cry/weep|
walks/strolls,walking/strolling,walk/stroll|
sits,sitting,sit|
stands,standing,stand|
talks/speaks/chats,talking/speaking/chatting,talk/speak/chat|
smokes,smoking,smoke|
climbs,climbing,climb|""".splitlines()]
ASKED = """reset/recover/change|password/login password
delete/remove/erase|account/user account;file/document;app/application;photo/picture;email/message
install/set up|printer;operating system;app/application;software/program;dishwasher
repair/fix|laptop/notebook;phone/smartphone;bicycle/bike;washing machine;leaking tap/dripping faucet;car/vehicle
clean/wash|carpet/rug;oven/stove;keyboard;car/vehicle;window;fish tank/aquarium
cook/prepare/make|rice;steak;soup;pasta/noodles;pancakes;turkey
grow/plant|tomatoes;roses;an apple tree;potatoes;herbs
learn/study|english/the english language;python/python programming;guitar;chess;swimming;mathematics/maths
buy/purchase/get|house/home;car/vehicle;laptop/notebook;flight ticket/plane ticket;insurance
sell|house/home;car/vehicle;old books;shares/stocks
train/teach|dog/puppy;cat;neural network;parrot
get rid of/remove|ants;mould;acne/pimples;coffee stain;wasps;bad smell/odour
open/start|bank account;restaurant;company/business;zip file;blog
cancel/end|subscription/membership;order/purchase;contract;hotel booking/hotel reservation
convert/turn|pdf to word;dollars to euros;string to a number;miles to kilometres
connect|printer to wifi;phone to the tv;laptop to a projector;database to the website
write/compose|resume/cv;cover letter;poem;unit test;thesis/dissertation
save/put aside|money;battery/power;a file;water
lose/shed|weight/body fat;belly fat
treat/cure|cold;headache/migraine;sunburn;fever/high temperature;back pain
apply for/request|visa;passport;loan/credit;job/position;scholarship
copy/duplicate|file/document;table;playlist;key""".splitlines()
ASKING = ["how do i {}?", "how can i {}?", "what is the best way to {}?", "how to {}", "what is the easiest way to {}?", "can someone tell me how to {}?", "what should i do to {}?", "{}", "i want to {}, how?", "is there a good way to {}?"]
COUNTRIES = "China/Beijing Japan/Tokyo India/Delhi Pakistan Iraq/Baghdad Syria/Damascus Iran/Tehran Israel Egypt/Cairo Turkey Russia/Moscow Ukraine/Kiev Germany/Berlin France/Paris Britain/UK Italy/Rome Spain/Madrid Greece/Athens Nigeria Kenya Mexico Brazil Canada/Ottawa Australia/Canberra Indonesia Afghanistan/Kabul Chile Peru Thailand Yemen Libya Poland".split()
NUMBERS = "2/two 3/three 4/four 5/five 6/six 7/seven 8/eight 9/nine 10/ten 12/twelve 15/fifteen 20/twenty 30/thirty 40/forty 50/fifty 60 75 100 120 200 300 1,000".split()
# {c} a country, {n} a number; one line is one event, told in several ways
EVENTS = [e.split("|") for e in """{n} killed in bus crash in {c}|bus accident in {c} leaves {n} dead|{n} die as coach crashes in {c}
{n} dead after bomb explodes in {c}|bomb blast kills {n} in {c}|{c}: explosion leaves {n} people dead
{n} killed in suicide attack in {c}|suicide bomber kills {n} in {c}
strong earthquake hits {c}|powerful quake strikes {c}|{c} shaken by strong earthquake
floods kill {n} in {c}|{n} dead in {c} flooding|flooding in {c} claims {n} lives
plane crashes in {c}, {n} dead|{n} killed as aircraft goes down in {c}|{c} air crash kills {n}
ferry sinks off {c}, {n} missing|{n} missing after boat capsizes near {c}
wildfires spread in {c}, thousands flee|thousands evacuated as fires rage in {c}
train derails in {c}, {n} injured|{n} hurt in {c} train derailment|rail accident injures {n} in {c}
mine collapse traps {n} in {c}|{n} miners trapped underground in {c}
{c} elects new president|new president elected in {c}|voters in {c} choose a new head of state
{c} goes to the polls|election day in {c}|people of {c} vote in general election
prime minister of {c} resigns|{c} premier steps down|head of government quits in {c}
{c} parliament approves budget|lawmakers in {c} pass spending plan
protesters clash with police in {c}|police and demonstrators fight in {c}|violence at rally in {c}
{c} and neighbour agree on ceasefire|truce reached in {c} conflict|fighting in {c} to stop under ceasefire deal
{c} tests missile|missile fired in test by {c}|{c} carries out missile launch
{c} frees {n} prisoners|{n} inmates released in {c}
un imposes sanctions on {c}|united nations agrees new penalties against {c}
{c} economy shrinks|economy of {c} contracts|recession in {c} as output falls
{c} economy grows {n} percent|{n} pct growth in {c}
shares in {c} close higher|{c} stocks end the day up|stock market in {c} gains
shares in {c} close lower|{c} stocks end the day down|stock market in {c} falls
central bank of {c} cuts interest rates|{c} lowers key interest rate
central bank of {c} raises interest rates|{c} lifts key interest rate
unemployment rises in {c}|jobless rate climbs in {c}|more people out of work in {c}
unemployment falls in {c}|jobless rate drops in {c}|fewer people out of work in {c}
oil prices rise on {c} fears|crude climbs over concern about {c}
{c} wins football match|victory for {c} in soccer game|{c} beats rivals in football
{c} loses football match|defeat for {c} in soccer game|{c} beaten by rivals in football
new virus cases reported in {c}|{c} reports more infections|virus spreads in {c}
{c} police arrest {n} over drugs|{n} held in {c} drug raid
former leader of {c} jailed|ex-president of {c} sent to prison|court in {c} sentences former president
gunman kills {n} in {c}|{n} shot dead in {c}|shooting in {c} leaves {n} dead
{c} launches satellite|satellite sent into orbit by {c}|rocket from {c} carries satellite into space
workers in {c} go on strike|strike by {c} workers|employees in {c} walk out over pay
{c} bans smoking in public|smoking in public places outlawed in {c}
airline from {c} cancels flights|flights cancelled by {c} carrier
{c} company buys rival for {n} billion|{n} billion takeover by {c} firm
troops leave {c}|soldiers withdraw from {c}|army pulls out of {c}
air strike kills {n} in {c}|{n} dead in air raid on {c}""".splitlines()]
EVERYDAY = [e.split("|") for e in """{p} bought a {x}|{p} purchased a {x}|a {x} was bought by {p}
{p} sold the {x}|the {x} was sold by {p}
{p} lost the {x}|{p} can't find the {x}|the {x} of {p} is missing
{p} found the {x}|the {x} was found by {p}
{p} broke the {x}|the {x} was broken by {p}|{p} damaged the {x}
{p} likes the {x}|{p} is fond of the {x}|{p} loves the {x}
{p} hates the {x}|{p} doesn't like the {x}|{p} can't stand the {x}
{p} gave away the {x}|{p} made a gift of the {x}
{p} wants a new {x}|{p} would like to have a new {x}
{p} forgot the {x} at home|{p} left the {x} at home
{p} borrowed a {x}|{p} got a {x} on loan
{p} stole a {x}|a {x} was stolen by {p}""".splitlines()]
OWNERS = "my brother|my sister|our teacher/our schoolmaster|the boss/the manager|my neighbour|the doctor/the physician|my friend/my pal|the children/the kids|our guests|the old man|she|he|they|my mother/my mum|my father/my dad".split("|")


def say(words: str, rng: random.Random) -> str:
    return rng.choice(words.split("/"))


def article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def sibling(words: list, other, rng: random.Random):
    return rng.choice([w for w in words if w != other])


def scene(rng: random.Random) -> dict:
    verb, kind = rng.choice(VERBS)
    who = rng.choice(PEOPLE if kind or rng.random() < 0.6 else ANIMALS)
    return dict(who=who, how=rng.choice(ADJECTIVES) if rng.random() < 0.3 else "", verb=verb, kind=kind, count=rng.choice("1112"),
                what=rng.choice(OBJECTS[kind]) if kind else "", where=rng.choice(PLACES) if rng.random() < (0.25 if kind else 0.6) else "")


PLURALS = {"man": "men", "woman": "women", "child": "children", "person": "people", "someone": "people", "lady": "ladies", "baby": "babies", "gentleman": "gentlemen", "policeman": "policemen", "puppy": "puppies", "pony": "ponies", "bunny": "bunnies", "sheep": "sheep"}


def caption(s: dict, rng: random.Random) -> str:
    who = say(s["who"], rng); adjective = say(s["how"], rng) + " " if s["how"] and who != "someone" else ""
    third, ing, plain = (say(form, rng) for form in s["verb"].split(","))
    what = say(s["what"], rng) if s["what"] else ""
    if what and s["kind"] != "game": what = rng.choice(("the " + what, article(what), article(what)))
    if s["count"] == "2":
        many = PLURALS.get(who, who + "s"); subject = rng.choice(("two ", "two ", "a pair of ", "2 ")) + adjective + many
        verb = rng.choice(("are " + ing, ing, plain))
    else:
        subject = who if who == "someone" else rng.choice(("the " + adjective + who, article(adjective + who), article(adjective + who)))
        verb = rng.choice(("is " + ing, "is " + ing, third, ing))
        if what and verb.startswith("is ") and rng.random() < 0.08: return f"{what} is being held by {subject}" if "hold" in ing else f"{subject} {verb} {what}"
    return " ".join(f"{subject} {verb} {what} {say(s['where'], rng) if s['where'] else ''}".split())


def changed(s: dict, rng: random.Random) -> tuple[dict, float]:
    """Another scene and the grade of the two."""
    t, lost = dict(s), 0.0
    roll = rng.random()
    if roll < 0.15: return scene(rng), 0.2
    if roll < 0.4: return t, 4.8
    for part in rng.sample(("who", "verb", "what", "where", "how", "count"), rng.choice((1, 1, 2, 3))):
        if part == "who":
            group = PEOPLE if s["who"] in PEOPLE else ANIMALS
            if rng.random() < 0.3: group = ANIMALS if group is PEOPLE else PEOPLE; lost += 0.5
            t["who"] = sibling(group, s["who"], rng); lost += 1.1
        elif part == "verb":
            same = [v for v, kind in VERBS if kind == s["kind"] and v != s["verb"]]
            if same: t["verb"] = rng.choice(same); lost += 1.9
        elif part == "what" and s["kind"]: t["what"] = sibling(OBJECTS[s["kind"]], s["what"], rng); lost += 1.6
        elif part == "where": t["where"] = sibling(PLACES, s["where"], rng); lost += 0.9 if s["where"] else 0.5
        elif part == "how": t["how"] = sibling(ADJECTIVES, s["how"], rng) if s["how"] or rng.random() < 0.5 else ""; lost += 0.5
        elif part == "count": t["count"] = "2" if s["count"] == "1" else "1"; lost += 0.5
    return t, max(0.3, 4.8 - lost)


def captions(rng):
    s = scene(rng); t, grade = changed(s, rng)
    return caption(s, rng), caption(t, rng), grade


def questions(rng):
    verbs, things = rng.choice(ASKED).split("|"); things = things.split(";"); thing = rng.choice(things)
    ask = lambda verb, what: rng.choice(ASKING).format(f"{say(verb, rng)} {(w := say(what, rng)) if rng.random() < 0.5 else 'my ' + (w := say(what, rng)).removeprefix('an ').removeprefix('the ')}")
    roll = rng.random()
    if roll < 0.35: return ask(verbs, thing), ask(verbs, thing), 4.7
    if roll < 0.65 and len(things) > 1: return ask(verbs, thing), ask(verbs, sibling(things, thing, rng)), 1.8
    if roll < 0.8:
        same = [q for q in ASKED if any(set(t.split("/")) & set(thing.split("/")) for t in q.split("|")[1].split(";")) and q.split("|")[0] != verbs]
        if same: return ask(verbs, thing), ask(rng.choice(same).split("|")[0], thing), 1.6
    other = rng.choice(ASKED).split("|")
    return ask(verbs, thing), ask(other[0], rng.choice(other[1].split(";"))), 0.2 if other[0] != verbs else 2.0


def headlines(rng):
    event, c, n = rng.choice(EVENTS), rng.choice(COUNTRIES), rng.choice(NUMBERS)
    tell = lambda e, c, n: rng.choice(e).format(c=say(c, rng), n=say(n, rng))
    roll = rng.random()
    if roll < 0.35: return tell(event, c, n), tell(event, c, n), 4.7
    if roll < 0.5 and "{n}" in event[0]: return tell(event, c, n), tell(event, c, sibling(NUMBERS, n, rng)), 3.6
    if roll < 0.7: return tell(event, c, n), tell(event, sibling(COUNTRIES, c, rng), n), 2.2
    if roll < 0.85: return tell(event, c, n), tell(sibling(EVENTS, event, rng), c, n), 1.1
    return tell(event, c, n), tell(sibling(EVENTS, event, rng), sibling(COUNTRIES, c, rng), n), 0.3


def everyday(rng):
    e, p, kind = rng.choice(EVERYDAY), rng.choice(OWNERS), rng.choice(("thing", "clothes", "instrument", "vehicle")); x = rng.choice(OBJECTS[kind])
    tell = lambda e, p, x: re.sub(r"\ba (?=[aeiou])", "an ", rng.choice(e).format(p=say(p, rng), x=say(x, rng)))
    roll = rng.random()
    if roll < 0.35: return tell(e, p, x), tell(e, p, x), 4.7
    if roll < 0.5: return tell(e, p, x), tell(e, sibling(OWNERS, p, rng), x), 3.2
    if roll < 0.7: return tell(e, p, x), tell(sibling(EVERYDAY, e, rng), p, x), 2.2
    if roll < 0.85: return tell(e, p, x), tell(e, p, sibling(OBJECTS[kind], x, rng)), 2.2
    return tell(e, p, x), tell(sibling(EVERYDAY, e, rng), sibling(OWNERS, p, rng), rng.choice(OBJECTS["food"])), 0.3


def pairs(count: int, seed: int = 0) -> list[tuple[str, str, float]]:
    """count graded pairs of each of the four sorts, in turn."""
    rng = random.Random(seed)
    return [make(rng) for _ in range(count) for make in (captions, questions, headlines, everyday)]


if __name__ == "__main__":
    for a, b, grade in pairs(6): print(f"{grade:.1f}\t{a}\t{b}")
