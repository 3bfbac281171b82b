"""The language in which somebody writes, and in which the agent answers. A few phrases a language."""

from __future__ import annotations

import re
from collections.abc import Mapping

MARKERS: Mapping[str, frozenset[str]] = {
    "de": frozenset(
        [
            "ich",
            "wir",
            "sie",
            "und",
            "der",
            "die",
            "das",
            "nicht",
            "bitte",
            "danke",
            "für",
            "ist",
            "mit",
            "können",
            "haben",
            "eine",
            "ihre",
            "uns",
            "gern",
        ]
    ),
    "fr": frozenset(
        [
            "je",
            "nous",
            "vous",
            "et",
            "le",
            "la",
            "les",
            "pas",
            "merci",
            "pour",
            "est",
            "avec",
            "pouvez",
            "une",
            "votre",
            "bonjour",
            "des",
            "sur",
        ]
    ),
    "es": frozenset(
        [
            "yo",
            "nosotros",
            "usted",
            "y",
            "el",
            "los",
            "no",
            "gracias",
            "por",
            "para",
            "es",
            "con",
            "pueden",
            "una",
            "su",
            "hola",
            "que",
            "quisiera",
        ]
    ),
    "en": frozenset(
        [
            "i",
            "we",
            "you",
            "and",
            "the",
            "not",
            "please",
            "thanks",
            "for",
            "is",
            "with",
            "can",
            "have",
            "a",
            "your",
            "us",
            "would",
            "what",
            "how",
        ]
    ),
}
PHRASES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "greeting": "Hello {name},",
        "thanks": "thank you for your message.",
        "answer": "Regarding {topic}: {fact}",
        "unknown": "I don't have a confirmed answer to that yet; a colleague will follow up with the details.",
        "clarify": "Could you tell me which {what} you mean, so that I can help with the right one?",
        "unsubscribed": "we have removed you from our mailings and will not write to you again.",
        "privacy": "we have passed your request to our privacy team, who will confirm it within the legal time.",
        "no_data": "I can't share personal data of other people.",
        "routed": "I have passed your message to our {team} team, who will come back to you.",
        "bye": "Kind regards",
    },
    "de": {
        "greeting": "Guten Tag {name},",
        "thanks": "vielen Dank für Ihre Nachricht.",
        "answer": "Zu Ihrer Frage nach {topic} können wir Ihnen gern mitteilen: {fact}",
        "unknown": "Dazu habe ich noch keine bestätigte Antwort; eine Kollegin meldet sich bei Ihnen mit Einzelheiten.",
        "clarify": "Können Sie uns bitte sagen, welches {what} Sie meinen, damit wir Ihnen beim richtigen helfen?",
        "unsubscribed": "wir haben Sie aus unserem Verteiler entfernt und schreiben Ihnen nicht wieder.",
        "privacy": "wir haben Ihre Anfrage an unser Datenschutzteam weitergegeben, das sie fristgerecht bestätigt.",
        "no_data": "Personenbezogene Daten anderer Menschen kann ich leider nicht weitergeben.",
        "routed": "ich habe Ihre Nachricht an unser Team {team} weitergegeben, das sich bei Ihnen meldet.",
        "bye": "Mit freundlichen Grüßen",
    },
    "fr": {
        "greeting": "Bonjour {name},",
        "thanks": "merci beaucoup pour votre message.",
        "answer": "Concernant votre question sur {topic}, voici ce que nous pouvons vous dire : {fact}",
        "unknown": "Je n'ai pas encore de réponse confirmée ; un collègue reviendra vers vous avec les détails.",
        "clarify": "Pouvez-vous nous dire de quel {what} il s'agit, afin que nous puissions vous aider ?",
        "unsubscribed": "nous vous avons retiré de notre liste et ne vous écrirons plus.",
        "privacy": "nous avons transmis votre demande à notre équipe de protection des données, qui la confirmera.",
        "no_data": "Je ne peux pas communiquer les données personnelles d'autres personnes.",
        "routed": "j'ai transmis votre message à notre équipe {team}, qui reviendra vers vous.",
        "bye": "Bien cordialement",
    },
    "es": {
        "greeting": "Hola {name}:",
        "thanks": "muchas gracias por su mensaje.",
        "answer": "Sobre su pregunta acerca de {topic}, con gusto le informamos: {fact}",
        "unknown": "Todavía no tengo una respuesta confirmada; un colega le escribirá con los detalles.",
        "clarify": "¿Podría decirnos a qué {what} se refiere, para que podamos ayudarle con el correcto?",
        "unsubscribed": "le hemos eliminado de nuestra lista y no volveremos a escribirle.",
        "privacy": "hemos pasado su solicitud a nuestro equipo de privacidad, que la confirmará en el plazo legal.",
        "no_data": "No puedo compartir datos personales de otras personas.",
        "routed": "he pasado su mensaje a nuestro equipo de {team}, que se pondrá en contacto con usted.",
        "bye": "Saludos cordiales",
    },
}


def detect(text: str) -> str:
    """The language whose common words are the most; English where none speaks for another."""
    words = re.findall(r"[a-zà-öø-ÿß]+", text.lower())
    hits = {code: sum(word in marks for word in words) for code, marks in MARKERS.items()}
    best = max(hits, key=lambda code: (hits[code], code == "en"))
    return best if hits[best] else "en"


def say(language: str, phrase: str, **words: str) -> str:
    """A phrase in a language."""
    return PHRASES.get(language, PHRASES["en"])[phrase].format(**words)
