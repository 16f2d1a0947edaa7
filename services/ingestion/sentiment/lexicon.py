"""Word lists written for this project: general English, the language of markets, slang of the forums, emojis.

They are features of the model, not its verdict: what each list weighs is learnt.
"""


def words(text: str) -> frozenset[str]:
    """The words of a list written as text."""
    return frozenset(text.split())


GOOD = words("""
    admire adorable advance advantage affordable agree amazing appreciate approve attractive awesome beautiful
    believe beneficial benefit best better bless bold brave bright brilliant celebrate champion cheer clean clever
    comfort confidence confident congrats congratulation conquer cool crush easy effective efficient enjoy excellent
    exceptional excited exciting fair faith fantastic fascinating fastest favorite favourite flawless flourish
    fortunate free freedom fresh friend fun gem generous genius glad golden good great happy healthy helpful hero
    honest hope hopeful impressive improve improvement incredible innovation innovative inspire inspiring
    interesting joy kind laugh leader leading legend like love lovely lucky nice opportunity optimistic outstanding
    patience patient peace perfect pleased popular potential powerful progress promising prosper proud real
    recommend reliable relief relieved remarkable respect reward rewarding rich right robust safe satisfied secure
    shine smart smile solid special stable strong stronger strongest succeed success successful superb support
    supportive sweet thank thrive triumph true trust useful valuable victory wealthy welcome win winner winning wise
    won wonderful worth worthy wow yay yes
""")
BAD = words("""
    abuse afraid anger angry annoyed annoying anxious arrogant ashamed attack avoid awful bad ban banned bitch blame
    block boring break broke broken bullshit cancel careless catastrophe chaos cheat cheater clown clueless complain
    complaint concern concerned confuse confused corrupt corruption crap crazy crime criminal crook cruel cry crying
    cult damage damaging damn danger dangerous dead death deceive delusional depress depressed depressing depression
    desperate destroy destroyed destruction die difficult disappointed disappointing disappointment disaster
    disgrace disgusting doubt doubtful dumb enemy error evil expensive fail failed failing failure fake false fear
    fool foolish fraud frustrate frustrated frustrating fuck fucked fucking gamble gambling garbage greed greedy
    guilty hack hacked hacker hard hate hated hell helpless hopeless horrible hostile hurt hypocrite idiot idiotic
    ignorant illegal impossible insane issue joke junk kill killed killing lame lazy liar lie lied lose loser losing
    lost lying manipulate manipulation meh mess miserable misery mislead misleading mistake moron naive nasty
    nervous nightmare nope pain painful panic pathetic ponzi poor problem reckless refuse regret reject ridiculous
    risk risky ruin ruined sad scam scammer scandal scare scared scary shady shame shameful shit shitty sick
    skeptical smh sorry steal stole stolen stupid suck sucks suffer suffering suspend suspicious tear terrible theft
    thief threat threaten tired toxic trap trash troll trouble ugh ugly unfair unfortunately unlucky unsafe unstable
    useless vague victim war waste wasted weak weaker weakness worried worry worrying worse worst worthless wrong
    wtf
""")
RISING = words("""
    accelerate accelerates accumulate advance advanced advances approval approved approves awarded beat beating
    beats boom booming boost boosted boosts bounce bounced bounces breakout breakthrough bull bullish bulls buy
    buyback buying buys cheap climb climbed climbing climbs dividend doubled doubles exceed exceeded exceeds expand
    expanded expands expansion gain gained gaining gains green grew grow growing grows growth high higher hike jump
    jumped jumping jumps lift lifted lifts outpace outpaces outperform outperformed outperforming outperforms
    overweight pop popped pops positive profit profitable profits raise raised raises rallied rallies rally rallying
    rebound rebounded rebounds record recover recovered recovers recovery resilient rise rises rising rose skyrocket
    skyrocketed skyrockets soar soared soaring soars spike spiked spikes strengthen strengthens stronger support
    surge surged surges surging tailwind topped tops tripled undervalued up upbeat upgrade upgraded upgrades upside
    uptrend wins
""")
FALLING = words("""
    bankrupt bankruptcy bear bearish bears breach bubble collapse collapsed collapses contraction coronavirus crash
    crashed crashes crashing cut cuts cutting debt decline declined declines declining default defaults deficit
    delay delayed delays dilution dip dipped dips disappoint disappoints down downgrade downgraded downgrades
    downside downtrend drop dropped dropping drops dump dumped dumping dumps erode erodes fall falling falls fell
    fine fined halt halted halts headwind headwinds hit hits hurt hurts inflation investigation lawsuit layoff
    layoffs loss losses low lower lowered lowers miss missed misses missing negative outbreak overpriced overvalued
    penalty plagued plummet plummeted plummets plunge plunged plunges plunging pressure pressured probe recall
    recalls recession red resistance retreat retreats sank sell selling selloff sells short shorted shortfall
    shorting shorts shrank shrink shrinks sink sinking sinks slash slashed slashes slid slide slides slow slowdown
    slowed slowing slows slump slumped slumps sold struggle struggles struggling sue sued sues suspend suspended
    tank tanked tanking tanks tariff tariffs trim trimmed trims tumble tumbled tumbles tumbling turmoil underperform
    underperformed underperforms underweight virus volatile warn warned warning warns weak weaken weakened weakens
    weakness wiped wipes withdraw withdraws
""")
BULL_SLANG = words("""
    accumulate accumulating adoption ape apes apestogether ath autists based brr brrr brrrr btfd bullish buythedip
    call calls chad dca diamondhands gainporn gainz gigachad goat goingup hodl hodling hold holding holdthe lambo
    letsgo letsgoo letsgooo lfg loaded loading long longed longs moass moon mooned mooning moonshot multibagger
    nobrainer printing pump pumping rip ripping rocket rockets runner shortsqueeze squeeze stacking stonk
    stonks targetraised tenbagger tendie tendies together tothemoon undervalued wagmi yolo
""")
BEAR_SLANG = words("""
    atl bag bagholder bagholders bags bleed bleeding bloodbath capitulate capitulation citadel cope copium deadcat
    delisted delisting diluted drill drilling dumpster exit fud goingdown guh halted hedgies hopium hype knife
    liquidated lossporn margin ngmi overhyped paperhands pumpanddump put puts rekt rotten rug rugged rugpull sheep
    shitcoin shitcoins shorted shortsellers suits targetcut trashcoin vaporware wifesboyfriend wiped worthless
""")
STRONGER = words("""
    absolutely completely extremely hugely insanely massively mega really so super totally very
""")
GOOD_EMOJIS = frozenset("✅✨❤⬆⭐🌈🌕🌙🍗🍾🎉🏆🐂👍👏👐💎💚💪💯💰💵📈🔥😀😁😂😃😄😆😊😍😎🙌🙏🚀🚢🟢🤑🤣🤩🥂🥰🥳🦍")
BAD_EMOJIS = frozenset("☠⚠❌⬇🐻👎💀💔💩📉🔴🔻😔😞😠😡😢😤😨😩😫😬😭😰😱🙄🚨🤡🤢🤦🤬🤮🥶🧻🩸🪦")

_SUFFIXES = ("'s", "ing", "ed", "es", "ly", "s", "d", "r", "y")


def holds(listed: frozenset[str], token: str) -> bool:
    """Say whether a list has the word or its stem."""
    if token in listed:
        return True
    if len(token) < 5:
        return False
    for suffix in _SUFFIXES:
        if token.endswith(suffix):
            stem = token.removesuffix(suffix)
            if stem in listed or (suffix in ("ing", "ed") and (stem + "e" in listed or stem[:-1] in listed)):
                return True
    return False
