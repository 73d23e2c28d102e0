"""Every text of the pages in French and English, and numbers, money and dates in the reader's language.

A text is asked for by name: `text("orders.title")`. French stands first. No-break spaces are put in here, so
the sentences below are typed plainly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import IntEnum
from functools import lru_cache
from typing import Final

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

from lumira.catalog import Level
from lumira.dashboard import session
from lumira.money import format_money
from lumira.revenue import Period

LANGUAGES: Final = {"fr": "Français", "en": "English"}


class _Language(IntEnum):
    fr = 0
    en = 1


_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    # The frame around every page
    "language": ("Langue", "Language"),
    "mode.test": ("Mode test", "Test mode"),
    "mode.test.note": ("aucun argent réel", "no real money"),
    "mode.sandbox": ("Stripe local", "local Stripe"),
    "mode.live": ("Production", "Live"),
    "mode.live.note": ("argent réel", "real money"),
    "mode.no_key": ("Stripe n’est pas relié", "Stripe is not connected"),
    "try_again": ("Réessayer", "Try again"),
    "error.code": ("Code : {code}", "Code: {code}"),
    # New payment
    "new_payment.title": ("Nouveau paiement", "New payment"),
    "new_payment.lead": (
        "Choisissez un niveau, dites pour qui : Stripe prépare le paiement, rien n’est débité.",
        "Choose a level, say for whom: Stripe prepares the payment, nothing is charged.",
    ),
    "new_payment.choose": ("Choisir", "Choose"),
    "new_payment.chosen": ("Choisi", "Chosen"),
    "new_payment.soon": ("Bientôt", "Coming soon"),
    "new_payment.free": ("Offert", "Free"),
    "new_payment.customer": ("Pour qui ?", "For whom?"),
    "new_payment.email": ("Adresse e-mail", "E-mail address"),
    "new_payment.email.hint": ("prenom.nom@exemple.fr", "name@example.com"),
    "new_payment.name": ("Nom", "Name"),
    "new_payment.name.hint": ("Camille Laurent", "Camille Laurent"),
    "new_payment.phone": ("Téléphone", "Phone"),
    "new_payment.phone.hint": ("+33 6 12 34 56 78", "+33 6 12 34 56 78"),
    "new_payment.optional": ("Tout est facultatif.", "All of it is optional."),
    "new_payment.metadata": ("Métadonnées", "Metadata"),
    "new_payment.metadata.help": (
        "Vos propres repères, gardés chez Stripe avec le paiement : une campagne, un numéro de dossier…",
        "Your own notes, kept at Stripe with the payment: a campaign, a case number…",
    ),
    "new_payment.metadata.key": ("Clé", "Key"),
    "new_payment.metadata.value": ("Valeur", "Value"),
    "new_payment.metadata.twice": ("La clé « {key} » est là deux fois.", "The key “{key}” is there twice."),
    "new_payment.summary": ("Récapitulatif", "Summary"),
    "new_payment.will_pay": (
        "Stripe crée un PaymentIntent et attend la carte. La commande reste en attente jusque-là.",
        "Stripe creates a PaymentIntent and waits for the card. Until then the order is pending.",
    ),
    "new_payment.will_give": (
        "Offert : la commande est terminée aussitôt, sans passer par Stripe.",
        "Free: the order is completed at once, without going to Stripe.",
    ),
    "new_payment.create": ("Créer le paiement", "Create the payment"),
    "new_payment.give": ("Offrir la lecture", "Give the reading"),
    "new_payment.creating": ("Création chez Stripe…", "Creating it at Stripe…"),
    "new_payment.start_over": ("Autre paiement", "Another payment"),
    "result.created": ("Paiement créé", "Payment created"),
    "result.to_copy": ("À copier", "To copy"),
    "result.payment_intent": ("PaymentIntent", "PaymentIntent"),
    "result.free_order": ("Commande offerte", "Free order"),
    "result.order": ("Commande", "Order"),
    "result.client_secret": ("Client secret", "Client secret"),
    "result.client_secret.help": (
        "La page de paiement en a besoin pour encaisser ce paiement, et lui seul. À ne confier qu’à elle.",
        "The checkout needs it to take this payment and no other. Give it to the checkout only.",
    ),
    "result.pay": ("Payer avec une carte de test", "Pay with a test card"),
    "result.card": ("Carte", "Card"),
    "result.card.help": (
        "Les cartes de test de Stripe : aucune banque n’est appelée.",
        "Stripe’s test cards: no bank is asked.",
    ),
    "result.pay_now": ("Payer {amount}", "Pay {amount}"),
    "result.paying": ("Stripe interroge la banque…", "Stripe asks the bank…"),
    "result.paid": ("Payé", "Paid"),
    "result.paid.note": (
        "{amount} encaissés en mode test. La lecture est ouverte.",
        "{amount} taken in test mode. The reading is open.",
    ),
    "result.given": ("Offert", "Given"),
    "result.given.note": (
        "La lecture est ouverte, il n’y a rien à payer.",
        "The reading is open, there is nothing to pay.",
    ),
    "result.cancelled": ("Annulé", "Cancelled"),
    "result.cancelled.note": (
        "Ce paiement ne peut plus être encaissé.",
        "This payment can’t be taken any more.",
    ),
    "result.waiting": ("Stripe attend la carte.", "Stripe waits for the card."),
    "result.processing": ("La banque n’a pas fini de répondre.", "The bank has not finished answering."),
    "result.unfinished": (
        "La commande est enregistrée, mais Stripe n’a pas créé son PaymentIntent.",
        "The order is stored, but Stripe has not created its PaymentIntent.",
    ),
    "result.declined": ("Carte refusée : {reason}.", "Card declined: {reason}."),
    "result.declined.next": (
        "Rien n’est débité. Essayez une autre carte, ou la même un peu plus tard.",
        "Nothing is charged. Try another card, or the same one a little later.",
    ),
    "result.live": (
        "Une commande réelle se paie sur la page de paiement, jamais ici.",
        "A live order is paid at the checkout, never here.",
    ),
    "result.to_orders": ("Voir dans les commandes", "See it in Orders"),
    "cancel": ("Annuler ce paiement", "Cancel this payment"),
    "cancel.reason": ("Pourquoi ?", "Why?"),
    "cancel.requested_by_customer": ("À la demande du client", "The customer asked for it"),
    "cancel.duplicate": ("C’est un doublon", "It is a duplicate"),
    "cancel.abandoned": ("Le client ne donne pas suite", "The customer abandoned it"),
    "cancel.fraudulent": ("Soupçon de fraude", "It looks like fraud"),
    "cancel.confirm": ("Annuler définitivement", "Cancel for good"),
    "cancel.help": (
        "La commande reste dans la liste, annulée. Rien ne s’efface.",
        "The order stays in the list, as cancelled. Nothing is deleted.",
    ),
    # Test cards
    "card.pm_card_visa": ("Visa : paiement accepté", "Visa: payment accepted"),
    "card.pm_card_mastercard": ("Mastercard : paiement accepté", "Mastercard: payment accepted"),
    "card.declined": ("Visa, refusée : {reason}", "Visa, declined: {reason}"),
    # Why a payment failed
    "failure.generic_decline": ("sans motif donné par la banque", "the bank gives no reason"),
    "failure.card_declined": ("sans motif donné par la banque", "the bank gives no reason"),
    "failure.do_not_honor": ("sans motif donné par la banque", "the bank gives no reason"),
    "failure.insufficient_funds": ("solde insuffisant", "not enough money on the account"),
    "failure.expired_card": ("carte expirée", "the card has expired"),
    "failure.incorrect_cvc": ("cryptogramme erroné", "the security code is wrong"),
    "failure.incorrect_number": ("numéro de carte erroné", "the card number is wrong"),
    "failure.processing_error": ("incident de traitement", "an error while processing"),
    "failure.lost_card": ("carte déclarée perdue", "the card is reported lost"),
    "failure.stolen_card": ("carte déclarée volée", "the card is reported stolen"),
    "failure.fraudulent": ("soupçon de fraude", "suspected fraud"),
    "failure.authentication_required": (
        "authentification du client requise",
        "the customer must authenticate",
    ),
    "failure.payment_intent_authentication_failure": (
        "authentification du client échouée",
        "the customer’s authentication failed",
    ),
    "failure.payment_failed": ("paiement refusé", "payment refused"),
    "failure.other": ("motif « {code} »", "reason “{code}”"),
    # Orders
    "orders.title": ("Commandes", "Orders"),
    "orders.lead": (
        "Les plus récentes d’abord, à côté de ce que dit Stripe. Cliquez une ligne pour ouvrir la commande.",
        "Newest first, beside what Stripe says. Click a row to open the order.",
    ),
    "orders.search": ("Ouvrir une commande", "Open an order"),
    "orders.search.hint": ("pi_… ou free_… ou numéro de commande", "pi_… or free_… or order id"),
    "orders.not_found": ("Aucune commande ne porte ce numéro.", "No order has this id."),
    "orders.not_found.next": (
        "Collez le numéro entier, tel que Stripe ou le client le donne : « {id} » est inconnu ici.",
        "Paste the whole id as Stripe or the customer gives it: “{id}” is unknown here.",
    ),
    "orders.empty": ("Encore aucune commande", "No orders yet"),
    "orders.empty.next": (
        "Créez un premier paiement de test : il paraîtra ici aussitôt.",
        "Create a first test payment: it shows up here at once.",
    ),
    "orders.page_empty": ("Plus aucune commande sur cette page", "No more orders on this page"),
    "orders.page_empty.next": (
        "Revenez au début de la liste : les commandes n’ont pas disparu.",
        "Go back to the start of the list: no order is lost.",
    ),
    "orders.shown": ("{count} commandes, du {last} au {first}", "{count} orders, {last} to {first}"),
    "orders.shown.one": ("1 commande, du {first}", "1 order, of {first}"),
    "pager.newest": ("Plus récentes", "Newest"),
    "pager.previous": ("Page précédente", "Previous page"),
    "pager.next": ("Page suivante", "Next page"),
    "pager.reload": ("Actualiser", "Reload"),
    "orders.created": ("Créée", "Created"),
    "orders.level": ("Niveau", "Level"),
    "orders.customer": ("Client", "Customer"),
    "orders.amount": ("Montant", "Amount"),
    "orders.refunded": ("Remboursé", "Refunded"),
    "orders.status": ("Commande", "Order"),
    "orders.stripe_status": ("Chez Stripe", "At Stripe"),
    "orders.stripe_status.help": (
        "Ce que Stripe a dit en dernier. Un ⚠ marque un désaccord avec la commande : "
        "ouvrez-la et actualisez.",
        "What Stripe said last. A ⚠ marks a disagreement with the order: open it and refresh.",
    ),
    "orders.payment_intent": ("PaymentIntent", "PaymentIntent"),
    "orders.table": ("Liste des commandes, la plus récente en premier", "List of orders, newest first"),
    # One order
    "order.close": ("Fermer", "Close"),
    "order.refresh": ("Demander à Stripe", "Ask Stripe"),
    "order.refresh.help": (
        "Demande à Stripe où en est ce paiement, maintenant.",
        "Asks Stripe how this payment stands now.",
    ),
    "order.refreshed": ("Stripe a répondu : {status}.", "Stripe answered: {status}."),
    "order.at_stripe": ("Ouvrir chez Stripe", "Open at Stripe"),
    "order.at_sandbox": ("Voir au Stripe local", "See it at the local Stripe"),
    "order.act": ("Faire payer", "Take the payment"),
    "order.money_back": ("Remboursements et litiges", "Refunds and disputes"),
    "refund_status.pending": ("en cours", "on its way"),
    "refund_status.requires_action": ("attend le client", "awaits the customer"),
    "refund_status.succeeded": ("remboursé", "refunded"),
    "refund_status.failed": ("remboursement échoué", "refund failed"),
    "refund_status.canceled": ("remboursement annulé", "refund cancelled"),
    "dispute_status.warning_needs_response": (
        "question de la banque, à répondre",
        "bank asks, answer awaited",
    ),
    "dispute_status.warning_under_review": ("question de la banque, à l’examen", "bank asks, under review"),
    "dispute_status.warning_closed": ("question de la banque, close", "bank asked, closed"),
    "dispute_status.needs_response": ("litige, réponse attendue", "dispute, answer awaited"),
    "dispute_status.under_review": ("litige, à l’examen", "dispute, under review"),
    "dispute_status.won": ("litige gagné", "dispute won"),
    "dispute_status.lost": ("litige perdu", "dispute lost"),
    "dispute_status.prevented": ("litige évité", "dispute prevented"),
    "refund": ("Rembourser", "Refund"),
    "refund.title": ("Rembourser le client", "Refund the customer"),
    "refund.left": ("{left} restent de {of}.", "{left} left of {of}."),
    "refund.amount": ("Montant", "Amount"),
    "refund.amount.none": (
        "Écrivez un montant, par exemple 20,00.",
        "Type an amount, for example 20.00.",
    ),
    "refund.amount.wrong": ("Il reste {left} à rembourser, pas plus.", "{left} can be refunded, no more."),
    "refund.requested_by_customer": ("À la demande du client", "The customer asked for it"),
    "refund.duplicate": ("C’est un doublon", "It is a duplicate"),
    "refund.fraudulent": ("Soupçon de fraude", "It looks like fraud"),
    "refund.note": ("Note (facultative)", "Note (optional)"),
    "refund.note.help": (
        "Pour vos collègues : elle reste dans l’historique de la commande, le client ne la voit pas.",
        "For your colleagues: it stays in the order’s history, the customer never sees it.",
    ),
    "refund.whole": (
        "Stripe rend {amount}, tout ce qui reste, à la carte du client, en général sous 5 à 10 jours. "
        "La commande reste terminée ; le net d’aujourd’hui baisse d’autant dans Revenus.",
        "Stripe gives {amount}, all that is left, back to the customer’s card, usually in 5 to 10 days. "
        "The order stays completed; today’s net in Revenue falls by as much.",
    ),
    "refund.part": (
        "Stripe rend {amount} à la carte du client, en général sous 5 à 10 jours ; {rest} nous restent. "
        "La commande reste terminée ; le net d’aujourd’hui baisse d’autant dans Revenus.",
        "Stripe gives {amount} back to the customer’s card, usually in 5 to 10 days; {rest} stay ours. "
        "The order stays completed; today’s net in Revenue falls by as much.",
    ),
    "refund.now": ("Rembourser {amount}", "Refund {amount}"),
    "refund.refunding": ("Stripe rembourse…", "Stripe refunds…"),
    "refund.done": ("{amount} remboursés.", "{amount} refunded."),
    "edit": ("Corriger le client", "Edit customer"),
    "edit.title": ("Corriger le client", "Edit the customer"),
    "edit.lead": (
        "La commande et son PaymentIntent chez Stripe sont corrigés tous deux.",
        "Both the order and its PaymentIntent at Stripe are corrected.",
    ),
    "edit.email": ("Adresse e-mail", "E-mail address"),
    "edit.email.next": (
        "Il y faut un nom, un @ et un domaine.",
        "It takes a name, an @ and a domain.",
    ),
    "edit.first_name": ("Prénom", "First name"),
    "edit.last_name": ("Nom", "Last name"),
    "edit.phone": ("Téléphone (facultatif)", "Phone (optional)"),
    "edit.phone.help": ("Vide, le numéro connu reste.", "Left empty, the known number stays."),
    "edit.save": ("Enregistrer", "Save"),
    "edit.saving": ("Enregistrement…", "Saving…"),
    "edit.done": ("Le client est corrigé.", "The customer is corrected."),
    "order.timeline": ("Ce qui s’est passé", "What happened"),
    "order.customer": ("Client", "Customer"),
    "order.email": ("E-mail", "E-mail"),
    "order.phone": ("Téléphone", "Phone"),
    "order.refunded": ("Remboursé", "Refunded"),
    "order.taken": ("Encaissé", "Amount paid"),
    "order.net": ("Net", "Net"),
    "order.created": ("Créée", "Created"),
    "order.completed": ("Payée", "Paid"),
    "order.given": ("Offerte", "Given"),
    "order.failure": ("Refus", "Decline"),
    "order.synced": ("Vu chez Stripe", "Seen at Stripe"),
    "order.source": ("Venue de", "Came from"),
    "order.id": ("Numéro", "Id"),
    "order.payment_intent": ("PaymentIntent", "PaymentIntent"),
    "order.disagrees": (
        "La commande et Stripe ne disent pas la même chose.",
        "The order and Stripe don’t say the same.",
    ),
    "order.disagrees.next": (
        "Ici : {here}. Chez Stripe : {there}. Demandez à Stripe pour les accorder.",
        "Here: {here}. At Stripe: {there}. Ask Stripe to settle it.",
    ),
    "source.desk": ("ce bureau", "this desk"),
    "source.api": ("le site", "the website"),
    "source.stripe": ("Stripe", "Stripe"),
    "status.pending": ("En attente", "Pending"),
    "status.processing": ("En traitement", "Processing"),
    "status.completed": ("Terminée", "Completed"),
    "status.failed": ("Refusée", "Failed"),
    "status.cancelled": ("Annulée", "Cancelled"),
    "stripe_status.requires_payment_method": ("Attend une carte", "Awaits a card"),
    "stripe_status.requires_confirmation": ("Attend la confirmation", "Awaits confirmation"),
    "stripe_status.requires_action": ("Attend le client", "Awaits the customer"),
    "stripe_status.processing": ("En traitement", "Processing"),
    "stripe_status.requires_capture": ("À encaisser", "To be captured"),
    "stripe_status.succeeded": ("Réussi", "Succeeded"),
    "stripe_status.canceled": ("Annulé", "Canceled"),
    "stripe_status.refused": ("Non créé", "Not created"),
    "stripe_status.never_reached_stripe": ("Jamais parvenu", "Never arrived"),
    "stripe_status.none": ("Sans Stripe", "No Stripe"),
    "stripe_status.unknown": ("Jamais demandé", "Never asked"),
    # Timeline sentences. {by} is who did it.
    "by.desk": ("Le bureau", "The desk"),
    "by.support": ("Le support", "Support"),
    "by.finance": ("La comptabilité", "Finance"),
    "by.api": ("Le site", "The website"),
    "by.stripe": ("Stripe", "Stripe"),
    "by.lumira": ("Lumira", "Lumira"),
    "timeline.order.created": ("{by} a créé la commande.", "{by} created the order."),
    "timeline.order.found_at_stripe": (
        "{by} a signalé ce paiement, inconnu jusque-là : la commande a été créée.",
        "{by} reported this payment, unknown until then: the order was made.",
    ),
    "timeline.told.succeeded": ("Stripe a encaissé le paiement.", "Stripe took the payment."),
    "timeline.told.processing": (
        "Stripe attend la réponse de la banque.",
        "Stripe waits for the bank’s answer.",
    ),
    "timeline.told.requires_capture": (
        "La banque a autorisé le paiement.",
        "The bank authorised the payment.",
    ),
    "timeline.told.canceled": ("Stripe a annulé le paiement.", "Stripe cancelled the payment."),
    "timeline.told.requires_payment_method": ("Stripe attend une carte.", "Stripe waits for a card."),
    "timeline.told.requires_action": (
        "Stripe attend que le client confirme auprès de sa banque.",
        "Stripe waits for the customer to confirm with their bank.",
    ),
    "timeline.told.requires_confirmation": (
        "Stripe attend la confirmation du paiement.",
        "Stripe waits for the payment to be confirmed.",
    ),
    "timeline.told.declined": ("La banque a refusé la carte.", "The bank declined the card."),
    "timeline.told.refused": (
        "Stripe a refusé de créer le paiement.",
        "Stripe refused to create the payment.",
    ),
    "timeline.asked.succeeded": (
        "{by} a fait payer : Stripe a encaissé.",
        "{by} had it paid: Stripe took the money.",
    ),
    "timeline.asked.requires_capture": (
        "{by} a interrogé Stripe : la banque a autorisé le paiement.",
        "{by} asked Stripe: the bank authorised the payment.",
    ),
    "timeline.asked.requires_confirmation": (
        "{by} a interrogé Stripe : le paiement attend d’être confirmé.",
        "{by} asked Stripe: the payment waits to be confirmed.",
    ),
    "timeline.asked.never_reached_stripe": (
        "{by} a annulé la commande : sa demande n’est jamais parvenue à Stripe.",
        "{by} cancelled the order: its request never reached Stripe.",
    ),
    "timeline.asked.processing": (
        "{by} a interrogé Stripe : la banque n’a pas fini de répondre.",
        "{by} asked Stripe: the bank has not finished answering.",
    ),
    "timeline.asked.canceled": ("{by} a annulé le paiement.", "{by} cancelled the payment."),
    "timeline.asked.requires_payment_method": (
        "{by} a interrogé Stripe : une carte est attendue.",
        "{by} asked Stripe: a card is awaited.",
    ),
    "timeline.asked.requires_action": (
        "{by} a interrogé Stripe : le client doit confirmer auprès de sa banque.",
        "{by} asked Stripe: the customer must confirm with their bank.",
    ),
    "timeline.asked.declined": (
        "{by} a tenté de payer : carte refusée.",
        "{by} tried to pay: card declined.",
    ),
    "timeline.charge.refunded": ("{by} a remboursé {amount}.", "{by} refunded {amount}."),
    "timeline.refund.requested": ("{by} demande à rembourser {amount}.", "{by} asks to refund {amount}."),
    "timeline.refund.pending": (
        "{by} : {amount} en cours de remboursement.",
        "{by}: {amount} being refunded.",
    ),
    "timeline.refund.requires_action": (
        "{by} : le remboursement de {amount} attend le client.",
        "{by}: the refund of {amount} awaits the customer.",
    ),
    "timeline.refund.succeeded": ("{by} a remboursé {amount}.", "{by} refunded {amount}."),
    "timeline.refund.failed": (
        "Le remboursement de {amount} a échoué : l’argent nous est revenu.",
        "The refund of {amount} failed: the money came back to us.",
    ),
    "timeline.refund.canceled": (
        "Le remboursement de {amount} a été annulé.",
        "The refund of {amount} was cancelled.",
    ),
    "timeline.dispute.warning_needs_response": (
        "La banque du client s’interroge sur {amount} : une réponse est attendue chez Stripe.",
        "The customer’s bank asks about {amount}: Stripe awaits an answer.",
    ),
    "timeline.dispute.warning_under_review": (
        "La banque du client examine notre réponse sur {amount}.",
        "The customer’s bank reviews our answer about {amount}.",
    ),
    "timeline.dispute.warning_closed": (
        "La banque du client ne donne pas suite pour {amount}.",
        "The customer’s bank lets {amount} rest.",
    ),
    "timeline.dispute.needs_response": (
        "Le client conteste {amount} : une réponse est attendue chez Stripe.",
        "The customer disputes {amount}: Stripe awaits an answer.",
    ),
    "timeline.dispute.under_review": (
        "La banque examine notre réponse sur {amount}.",
        "The bank reviews our answer about {amount}.",
    ),
    "timeline.dispute.won": ("Litige gagné : {amount} nous restent.", "Dispute won: {amount} stay ours."),
    "timeline.dispute.lost": (
        "Litige perdu : {amount} retournent au client.",
        "Dispute lost: {amount} go back to the customer.",
    ),
    "timeline.dispute.prevented": ("Litige évité sur {amount}.", "Dispute about {amount} prevented."),
    "timeline.customer.edited": ("{by} a corrigé le client.", "{by} corrected the customer."),
    "timeline.customer.not_copied_to_stripe": (
        "La correction du client n’a pas pu être copiée chez Stripe.",
        "The customer’s correction could not be copied to Stripe.",
    ),
    "timeline.amount.corrected": (
        "{by} a corrigé le montant d’après Stripe : {amount}.",
        "{by} corrected the amount to Stripe’s: {amount}.",
    ),
    "timeline.other": ("{by} : {kind}.", "{by}: {kind}."),
    "timeline.reason.requested_by_customer": ("À la demande du client.", "Requested by the customer."),
    "timeline.reason.duplicate": ("C’était un doublon.", "It was a duplicate."),
    "timeline.reason.fraudulent": ("Pour fraude.", "For fraud."),
    "timeline.reason.expired_uncaptured_charge": (
        "L’autorisation de la banque a expiré.",
        "The bank’s authorisation expired.",
    ),
    "timeline.reason.bank_cannot_process": (
        "La banque ne peut pas traiter le paiement.",
        "The bank can’t process the payment.",
    ),
    "timeline.reason.credit_not_processed": (
        "Le client attend un remboursement.",
        "The customer awaits a refund.",
    ),
    "timeline.reason.general": ("Sans motif précis.", "No reason in particular."),
    "timeline.reason.product_not_received": (
        "Le client dit n’avoir rien reçu.",
        "The customer says nothing arrived.",
    ),
    "timeline.reason.product_unacceptable": (
        "Le client n’est pas satisfait.",
        "The customer is not satisfied.",
    ),
    "timeline.reason.subscription_canceled": (
        "Le client dit avoir résilié.",
        "The customer says it was cancelled.",
    ),
    "timeline.reason.unrecognized": (
        "Le client ne reconnaît pas le paiement.",
        "The customer does not recognise the payment.",
    ),
    "timeline.event": ("webhook {id}", "webhook {id}"),
    "timeline.empty": (
        "Rien n’a été noté : la commande vient de l’ancien programme.",
        "Nothing was noted: the order comes from the former program.",
    ),
    # Webhooks
    "events.title": ("Webhooks", "Webhooks"),
    "events.lead": (
        "Ce que Stripe nous a signalé, et ce qu’il en est advenu : les échecs d’abord. "
        "Cliquez une ligne pour l’ouvrir.",
        "What Stripe told us and what came of it: failures first. Click a row to open it.",
    ),
    "events.state": ("État", "State"),
    "events.state.all": ("Tous", "All"),
    "events.state.failed": ("Échoués", "Failed"),
    "events.state.processed": ("Traités", "Processed"),
    "events.failed": ("{count} webhooks ont échoué", "{count} webhooks failed"),
    "events.failed.one": ("{count} webhook a échoué", "{count} webhook failed"),
    "events.failed.more": ("Plus de {count} webhooks ont échoué", "More than {count} webhooks failed"),
    "events.failed.next": (
        "Rien n’est perdu : Stripe les renvoie pendant trois jours, et vous pouvez les relancer d’ici.",
        "Nothing is lost: Stripe sends them again for three days, and you can retry them from here.",
    ),
    "events.retry_all": ("Tout relancer", "Retry all failed"),
    "events.retrying": ("{done} relancés…", "{done} retried…"),
    "events.retried": ("Relancés : {done}. Plus aucun échec.", "Retried: {done}. None is failed any more."),
    "events.retried.left": (
        "Relancés : {done}. Encore en échec : {left}.",
        "Retried: {done}. Still failed: {left}.",
    ),
    "events.shown": ("{count} événements", "{count} events"),
    "events.shown.one": ("{count} événement", "{count} event"),
    "events.table": (
        "Liste des événements de Stripe, les échecs en premier",
        "List of Stripe’s events, failures first",
    ),
    "events.empty": ("Encore aucun webhook", "No webhooks yet"),
    "events.empty.sandbox": (
        "Le Stripe local les envoie de lui-même : créez un paiement de test et payez-le.",
        "The local Stripe sends them by itself: create a test payment and pay it.",
    ),
    "events.empty.stripe": (
        "Reliez l’adresse ci-dessous chez Stripe, puis créez un paiement de test et payez-le.",
        "Connect the address below at Stripe, then create a test payment and pay it.",
    ),
    "events.none_failed": ("Aucun échec", "Nothing failed"),
    "events.none_failed.next": (
        "Chaque webhook reçu a été traité.",
        "Every webhook that arrived was handled.",
    ),
    "events.page_empty": ("Plus aucun événement sur cette page", "No more events on this page"),
    "events.connect": ("Relier un vrai compte Stripe", "Connect a real Stripe account"),
    "events.connect.listen": (
        "Sur cette machine, la commande de Stripe transmet les événements du mode test :",
        "On this machine, Stripe’s own command forwards the events of test mode:",
    ),
    "events.connect.secret": (
        "Elle affiche un secret. Donnez-le à Lumira, puis redémarrez-la. En production, le secret est celui "
        "du point de terminaison créé chez Stripe pour cette même adresse.",
        "It prints a secret. Give it to Lumira, then restart. In production the secret is that of the "
        "endpoint you create at Stripe for the same path.",
    ),
    "events.no_secret": (
        "Aucun webhook ne peut être reçu : il manque le secret.",
        "No webhook can be received: the secret is missing.",
    ),
    "events.no_secret.next": (
        "Sans STRIPE_WEBHOOK_SECRET, rien ne prouve qu’un message vient de Stripe : tous sont refusés. "
        "Voici comment le relier.",
        "Without STRIPE_WEBHOOK_SECRET nothing proves that a message comes from Stripe: all are refused. "
        "This is how to connect it.",
    ),
    "event.title": ("Événement", "Event"),
    "event.received": ("Reçu", "Received"),
    "event.type": ("Type", "Type"),
    "event.outcome": ("Suite", "Outcome"),
    "event.state": ("État", "State"),
    "event.attempts": ("Essais", "Attempts"),
    "event.api_version": ("Version d’API", "API version"),
    "event.error": ("Erreur", "Error"),
    "event.id": ("Numéro", "Id"),
    "event.object": ("Objet", "Object"),
    "event.processed": ("Traité", "Handled"),
    "event.mode": ("Mode", "Mode"),
    "event.payload": ("Contenu reçu, sans secrets", "What was delivered, without secrets"),
    "event.failed": ("Cet événement n’a pas pu être traité.", "This event could not be handled."),
    "event.other_api_version": (
        "Réglez le point de terminaison de Stripe sur la version {ours} : ses événements seront appliqués.",
        "Set Stripe’s endpoint to version {ours}: its events will then be applied.",
    ),
    "event.order": ("Voir la commande", "See the order"),
    "event.retry": ("Relancer", "Retry"),
    "event.retrying": ("Traitement…", "Handling it…"),
    "event.retried": ("Relancé : {outcome}.", "Retried: {outcome}."),
    "event.not_found": ("Cet événement n’est pas connu.", "This event is not known."),
    "event.not_found.next": (
        "Les événements traités s’effacent après 90 jours. Vérifiez sinon le numéro.",
        "Handled events are removed after 90 days. Otherwise check the id.",
    ),
    "event_state.received": ("Reçu", "Received"),
    "event_state.processing": ("En cours", "In progress"),
    "event_state.processed": ("Traité", "Processed"),
    "event_state.failed": ("Échoué", "Failed"),
    "outcome.applied": ("La commande a changé", "The order changed"),
    "outcome.unchanged": ("Rien à changer", "Nothing to change"),
    "outcome.ignored": ("Sans effet ici", "No effect here"),
    "outcome.other_livemode": ("Autre mode : non appliqué", "Other mode: not applied"),
    "outcome.other_API_version": ("Autre version d’API : non appliqué", "Other API version: not applied"),
    "outcome.former": ("Traité par l’ancien programme", "Handled by the former program"),
    "outcome.received": ("Attend son tour", "Waits its turn"),
    "outcome.processing": ("En cours de traitement", "Being handled"),
    "outcome.failed": ("À relancer", "To be retried"),
    # Reconciliation
    "reconciliation.title": ("Rapprochement", "Reconciliation"),
    "reconciliation.lead": (
        "Stripe à côté des commandes : ce qui diffère, et de quoi le réparer. Comparer ne change rien.",
        "Stripe beside the orders: what differs, and its repair. Comparing changes nothing.",
    ),
    "reconciliation.since": ("Depuis", "How far back"),
    "reconciliation.since.1d": ("1 jour", "1 day"),
    "reconciliation.since.7d": ("7 jours", "7 days"),
    "reconciliation.since.30d": ("30 jours", "30 days"),
    "reconciliation.since.90d": ("90 jours", "90 days"),
    "reconciliation.compare": ("Comparer", "Compare"),
    "reconciliation.running.start": ("Stripe est interrogé…", "Asking Stripe…"),
    "reconciliation.running": ("{done} jours sur {total} comparés…", "{done} of {total} days compared…"),
    "reconciliation.interrupted": ("La comparaison n’est pas finie.", "The comparison is not finished."),
    "reconciliation.interrupted.next": (
        "Relancez-la : elle reprend au jour où elle s’est arrêtée.",
        "Start it again: it goes on with the day it stopped at.",
    ),
    "reconciliation.made": (
        "{payment_intents} PaymentIntents et {orders} commandes comparés depuis le {since}. Fait le {at}.",
        "{payment_intents} PaymentIntents and {orders} orders compared since {since}. Made on {at}.",
    ),
    "reconciliation.unrelated": (
        "{count} PaymentIntents d’autres programmes sont laissés en paix.",
        "{count} PaymentIntents of other programs are left alone.",
    ),
    "reconciliation.unrelated.one": (
        "{count} PaymentIntent d’un autre programme est laissé en paix.",
        "{count} PaymentIntent of another program is left alone.",
    ),
    "reconciliation.left": ("{count} différences restent.", "{count} differences are left."),
    "reconciliation.left.one": ("{count} différence reste.", "{count} difference is left."),
    "reconciliation.left.none": ("Aucune différence.", "No difference."),
    "reconciliation.repaired": ("{count} différences réparées.", "{count} differences repaired."),
    "reconciliation.repaired.one": ("{count} différence réparée.", "{count} difference repaired."),
    "reconciliation.agrees": ("Tout concorde.", "Everything agrees."),
    "reconciliation.agrees.note": (
        "Chaque paiement de Stripe a sa commande, au même état et au même montant.",
        "Every payment at Stripe has its order, in the same state and for the same amount.",
    ),
    "reconciliation.beyond_repair": (
        "Ce que Stripe ne connaît pas ne se répare pas d’ici : vérifiez que la clé est celle du bon compte.",
        "What Stripe does not know can’t be repaired here: check that the key belongs to the right account.",
    ),
    "reconciliation.empty": ("Rien n’est encore comparé", "Nothing is compared yet"),
    "reconciliation.empty.next": (
        "Choisissez depuis quand, puis comparez : le compte rendu paraît ici, sans rien changer.",
        "Choose how far back, then compare: the report shows up here, and nothing is changed.",
    ),
    "difference.what": ("Différence", "Difference"),
    "difference.order": ("Commande", "Order"),
    "difference.ours": ("Ici", "Here"),
    "difference.stripes": ("Chez Stripe", "At Stripe"),
    "difference.state": ("Réparation", "Repair"),
    "difference.repaired": ("Réparée", "Repaired"),
    "difference.open": ("À faire", "To do"),
    "difference.table": (
        "Différences entre Stripe et les commandes",
        "Differences between Stripe and the orders",
    ),
    "difference.missing_order": ("Chez Stripe, sans commande", "At Stripe, without an order"),
    "difference.untied_order": ("Commande sans son PaymentIntent", "Order without its PaymentIntent"),
    "difference.missing_intent": ("PaymentIntent inconnu de Stripe", "PaymentIntent unknown to Stripe"),
    "difference.never_sent": ("Demande jamais parvenue à Stripe", "Request that never reached Stripe"),
    "difference.status": ("L’état diffère", "The status differs"),
    "difference.amount": ("Le montant diffère", "The amount differs"),
    "difference.refunds": ("Les remboursements diffèrent", "The refunds differ"),
    "apply": ("Réparer…", "Repair…"),
    "apply.title": ("Réparer d’après Stripe", "Repair from Stripe"),
    "apply.lead": (
        "Lumira interroge Stripe encore une fois, puis met les commandes d’accord avec lui :",
        "Lumira asks Stripe once more, then brings the orders to what it says:",
    ),
    "apply.note": (
        "Chez Stripe, rien ne change : ni argent pris, ni argent rendu. Chaque réparation paraît dans "
        "l’historique de sa commande.",
        "Nothing changes at Stripe: no money is taken or given back. Each repair shows up in the history "
        "of its order.",
    ),
    "apply.confirm": ("Réparer", "Repair"),
    "apply.done": ("{count} différences réparées.", "{count} differences repaired."),
    "apply.done.one": ("{count} différence réparée.", "{count} difference repaired."),
    "apply.missing_order": (
        "{count} commandes manquantes sont créées d’après leur PaymentIntent",
        "{count} missing orders are made from their PaymentIntents",
    ),
    "apply.missing_order.one": (
        "1 commande manquante est créée d’après son PaymentIntent",
        "1 missing order is made from its PaymentIntent",
    ),
    "apply.untied_order": (
        "{count} commandes retrouvent leur PaymentIntent",
        "{count} orders are tied to their PaymentIntents",
    ),
    "apply.untied_order.one": (
        "1 commande retrouve son PaymentIntent",
        "1 order is tied to its PaymentIntent",
    ),
    "apply.never_sent": (
        "{count} commandes que personne ne peut payer sont annulées",
        "{count} orders that nobody can pay are cancelled",
    ),
    "apply.never_sent.one": (
        "1 commande que personne ne peut payer est annulée",
        "1 order that nobody can pay is cancelled",
    ),
    "apply.status": (
        "{count} commandes prennent l’état que dit Stripe",
        "{count} orders take the status Stripe tells",
    ),
    "apply.status.one": (
        "1 commande prend l’état que dit Stripe",
        "1 order takes the status Stripe tells",
    ),
    "apply.amount": (
        "{count} montants sont corrigés d’après Stripe",
        "{count} amounts are corrected to Stripe’s",
    ),
    "apply.amount.one": ("1 montant est corrigé d’après Stripe", "1 amount is corrected to Stripe’s"),
    "apply.refunds": (
        "{count} commandes reçoivent les remboursements faits chez Stripe",
        "{count} orders take over the refunds made at Stripe",
    ),
    "apply.refunds.one": (
        "1 commande reçoit les remboursements faits chez Stripe",
        "1 order takes over the refunds made at Stripe",
    ),
    # Revenue
    "revenue.title": ("Revenus", "Revenue"),
    "revenue.lead": (
        "Ce que chaque niveau a rapporté, aux jours de {zone}.",
        "What each level earned, by the days of {zone}.",
    ),
    "revenue.range": ("Période", "Range"),
    "range.7d": ("7 jours", "7 days"),
    "range.30d": ("30 jours", "30 days"),
    "range.90d": ("90 jours", "90 days"),
    "range.month": ("Ce mois", "This month"),
    "range.year": ("Cette année", "This year"),
    "revenue.bars": ("Par", "By"),
    "bars.day": ("Jour", "Day"),
    "bars.week": ("Semaine", "Week"),
    "bars.month": ("Mois", "Month"),
    "revenue.currency": ("Devise", "Currency"),
    "revenue.gross": ("Encaissé", "Gross"),
    "revenue.gross.help": (
        "Le montant des commandes payées, au jour du paiement.",
        "The amount of paid orders, on the day they were paid.",
    ),
    "revenue.refunds": ("Remboursé", "Refunds"),
    "revenue.refunds.help": (
        "Les remboursements, au jour où ils sont faits.",
        "Refunds, on the day they were made.",
    ),
    "revenue.net": ("Net", "Net"),
    "revenue.net.help": ("Encaissé moins remboursé.", "Gross less refunds."),
    "revenue.orders": ("Commandes payées", "Paid orders"),
    "revenue.orders.help": (
        "Les lectures offertes n’y sont pas comptées : {free} sur la période.",
        "Free readings are not among them: {free} in this range.",
    ),
    "revenue.average": ("panier moyen", "average order"),
    "revenue.before": ("sur la période d’avant", "on the period before"),
    "revenue.no_before": ("rien la période d’avant", "nothing the period before"),
    "revenue.span": ("Du {first} au {last}", "{first} to {last}"),
    "revenue.chart": (
        "Encaissé par niveau, et remboursements sous la ligne",
        "Gross by level, and refunds below the line",
    ),
    "revenue.bar.orders.one": ("1 commande payée : {amount}", "1 paid order: {amount}"),
    "revenue.bar.orders": ("{count} commandes payées : {amount}", "{count} paid orders: {amount}"),
    "revenue.bar.refunds": ("{amount} remboursés", "{amount} refunded"),
    "revenue.table": ("Les mêmes chiffres, en tableau", "The same figures, as a table"),
    "revenue.period.day": ("Jour", "Day"),
    "revenue.period.week": ("Semaine du", "Week of"),
    "revenue.period.month": ("Mois", "Month"),
    "revenue.free": ("Offertes", "Free"),
    "revenue.total": ("Total", "Total"),
    "revenue.empty": ("Rien n’a été payé sur cette période", "Nothing was paid in this range"),
    "revenue.empty.next": (
        "Choisissez une période plus longue, ou créez un paiement de test et payez-le : il paraîtra ici.",
        "Choose a longer range, or create a test payment and pay it: it shows up here.",
    ),
    "revenue.only_free.one": (
        "1 lecture offerte sur cette période : elle compte, mais ne rapporte rien.",
        "1 free reading in this range: it counts, but earns nothing.",
    ),
    "revenue.only_free": (
        "{free} lectures offertes sur cette période : elles comptent, mais ne rapportent rien.",
        "{free} free readings in this range: they count, but earn nothing.",
    ),
    "level.unknown": ("Autre", "Other"),
    # What each level holds
    "product.initie": (
        "Une première lecture, offerte, pour découvrir la maison.",
        "A first reading, free, to discover the house.",
    ),
    "product.mystique": (
        "La lecture écrite et sa méditation enregistrée.",
        "The written reading and its recorded meditation.",
    ),
    "product.profond": (
        "La lecture complète avec son mandala personnel.",
        "The complete reading with a mandala of one’s own.",
    ),
    "product.integrale": (
        "Tout le chemin : lecture, mandala, rituels et accompagnement.",
        "The whole way: reading, mandala, rituals and support.",
    ),
    "holds.pdf": ("Lecture écrite", "Written reading"),
    "holds.audio": ("Lecture enregistrée", "Recorded reading"),
    "holds.mandala": ("Mandala personnel", "Personal mandala"),
    "holds.rituals": ("Rituels", "Rituals"),
    "holds.welcome-guide": ("Guide de bienvenue", "Welcome guide"),
    "holds.audio-meditation": ("Méditation guidée", "Guided meditation"),
    "holds.mandala-guide": ("Guide du mandala", "Guide to the mandala"),
    "holds.ritual-kit": ("Nécessaire à rituels", "Ritual kit"),
    "holds.lunar-calendar": ("Calendrier lunaire", "Lunar calendar"),
    "holds.personal-support": ("Accompagnement personnel", "Personal support"),
    # Errors, by code: what it is, and what to do
    "error.MISSING_PRODUCT_ID": ("Aucun niveau n’est choisi.", "No level is chosen."),
    "error.MISSING_PRODUCT_ID.next": (
        "Choisissez l’un des niveaux ci-dessus.",
        "Choose one of the levels above.",
    ),
    "error.PRODUCT_NOT_FOUND": ("Ce niveau n’existe pas.", "This level does not exist."),
    "error.PRODUCT_NOT_FOUND.next": (
        "Choisissez l’un des niveaux ci-dessus.",
        "Choose one of the levels above.",
    ),
    "error.PRODUCT_NOT_AVAILABLE": (
        "Ce niveau n’est pas encore en vente.",
        "This level is not for sale yet.",
    ),
    "error.PRODUCT_NOT_AVAILABLE.next": ("Choisissez un autre niveau.", "Choose another level."),
    "error.INVALID_EMAIL": ("Ce n’est pas une adresse e-mail.", "This is not an e-mail address."),
    "error.INVALID_EMAIL.next": (
        "Il y faut un nom, un @ et un domaine ; ou laissez le champ vide.",
        "It takes a name, an @ and a domain; or leave the field empty.",
    ),
    "error.INVALID_CUSTOMER": ("Ce texte ne peut pas être gardé.", "This text can’t be kept."),
    "error.INVALID_CUSTOMER.next": ("500 caractères au plus.", "500 characters at most."),
    "error.INVALID_FIRST_NAME": ("Ce prénom ne convient pas.", "This first name won’t do."),
    "error.INVALID_FIRST_NAME.next": ("Il y faut au moins 2 caractères.", "It takes at least 2 characters."),
    "error.INVALID_LAST_NAME": ("Ce nom ne convient pas.", "This last name won’t do."),
    "error.INVALID_LAST_NAME.next": ("Il y faut au moins 2 caractères.", "It takes at least 2 characters."),
    "error.ORDER_NOT_REFUNDABLE": (
        "Ce remboursement n’est pas possible.",
        "This refund is not possible.",
    ),
    "error.ORDER_NOT_REFUNDABLE.next": (
        "Actualisez : la commande vient peut-être d’être remboursée, ou Stripe le refuse.",
        "Refresh: the order may just have been refunded, or Stripe refuses.",
    ),
    "error.EVENT_NOT_FOUND": ("Cet événement n’est pas connu.", "This event is not known."),
    "error.EVENT_NOT_FOUND.next": (
        "Les événements traités s’effacent après 90 jours. Vérifiez sinon le numéro.",
        "Handled events are removed after 90 days. Otherwise check the id.",
    ),
    "error.EVENT_IN_PROGRESS": (
        "Cet événement est en cours de traitement.",
        "This event is being handled right now.",
    ),
    "error.EVENT_IN_PROGRESS.next": ("Attendez une minute, puis actualisez.", "Wait a minute, then reload."),
    "error.INVALID_METADATA": ("Stripe ne prend pas ces métadonnées.", "Stripe does not take this metadata."),
    "error.INVALID_METADATA.next": (
        "40 clés au plus, de 1 à 40 caractères et sans crochets ; 500 caractères par valeur.",
        "At most 40 keys of 1 to 40 characters without square brackets; 500 characters for a value.",
    ),
    "error.IDEMPOTENCY_CONFLICT": (
        "Ce paiement a déjà été créé, avec d’autres données.",
        "This payment was created before, with other data.",
    ),
    "error.IDEMPOTENCY_CONFLICT.next": (
        "Vérifiez la liste des commandes, puis recommencez.",
        "Look at the list of orders, then start again.",
    ),
    "error.ORDER_NOT_FOUND": ("Cette commande n’existe pas.", "This order does not exist."),
    "error.ORDER_NOT_FOUND.next": (
        "Vérifiez le numéro, ou cherchez-la dans la liste.",
        "Check the id, or look for it in the list.",
    ),
    "error.ORDER_NOT_CANCELLABLE": (
        "Cette commande ne peut plus être annulée.",
        "This order can’t be cancelled any more.",
    ),
    "error.ORDER_NOT_CANCELLABLE.next": (
        "Actualisez : elle vient peut-être d’être payée.",
        "Refresh: it may just have been paid.",
    ),
    "error.ORDER_NOT_PAYABLE": ("Il n’y a rien à payer ici.", "There is nothing to pay here."),
    "error.ORDER_NOT_PAYABLE.next": (
        "Actualisez : la commande est offerte, payée, annulée ou réelle.",
        "Refresh: the order is free, paid, cancelled or live.",
    ),
    "error.PAYMENT_FAILED": ("Le paiement est refusé.", "The payment is declined."),
    "error.PAYMENT_FAILED.next": ("Essayez une autre carte.", "Try another card."),
    "error.FORBIDDEN": ("Votre rôle ne le permet pas.", "Your role does not allow it."),
    "error.FORBIDDEN.next": ("Demandez à un administrateur.", "Ask an administrator."),
    "error.STRIPE_CONFIG_ERROR": ("Stripe n’accepte pas la clé.", "Stripe does not accept the key."),
    "error.STRIPE_CONFIG_ERROR.next": (
        "Vérifiez STRIPE_SECRET_KEY, puis redémarrez Lumira. Ce que vous avez saisi reste là.",
        "Check STRIPE_SECRET_KEY, then restart Lumira. What you typed stays here.",
    ),
    "error.STRIPE_SERVICE_ERROR": (
        "Stripe ne répond pas comme il faut.",
        "Stripe does not answer as it should.",
    ),
    "error.STRIPE_SERVICE_ERROR.next": (
        "Réessayez dans un instant : rien n’est débité deux fois, rien de ce que vous "
        "avez saisi n’est perdu.",
        "Try again in a moment: nothing is charged twice, nothing you typed is lost.",
    ),
    "error.SERVICE_TIMEOUT": ("Stripe n’a pas répondu à temps.", "Stripe did not answer in time."),
    "error.SERVICE_TIMEOUT.next": (
        "Réessayez : la même demande ne crée jamais deux paiements.",
        "Try again: the same request never creates two payments.",
    ),
    "error.STORE_UNAVAILABLE": ("Les commandes sont hors d’atteinte.", "The orders can’t be reached."),
    "error.STORE_UNAVAILABLE.next": (
        "La base ne répond pas. Rien n’a été débité ; réessayez dans un instant.",
        "The store does not answer. Nothing was charged; try again in a moment.",
    ),
    "error.SETTINGS_ERROR": ("Lumira est mal réglée.", "Lumira is not set up right."),
    "error.SETTINGS_ERROR.next": (
        "Corrigez le réglage, puis redémarrez Lumira.",
        "Correct the setting, then restart Lumira.",
    ),
    "error.INTERNAL_SERVER_ERROR": (
        "Cette page a rencontré un imprévu.",
        "This page met something unforeseen.",
    ),
    "error.INTERNAL_SERVER_ERROR.next": (
        "Réessayez. Si cela revient, donnez l’heure à votre administrateur : le journal dit pourquoi.",
        "Try again. If it comes back, tell your administrator the time: the log says why.",
    ),
}


def _with_no_break_spaces(french: str) -> str:
    """French puts a space before ; : ! ? and inside « », at which no line may break."""
    narrow = re.sub(r" (?=[;!?])", "\u202f", french)
    return re.sub(r" (?=[:»])|(?<=«) ", "\u00a0", narrow)


_SPACED: Final = {
    name: (_with_no_break_spaces(french), english) for name, (french, english) in _TEXTS.items()
}


def text(name: str, **values: object) -> str:
    """The text of this name in the reader's language, `values` put in its places."""
    return _SPACED[name][_Language[session.language()]].format(**values)


def text_or(name: str, otherwise: str, **values: object) -> str:
    """The text of this name, or `otherwise` where the name comes from outside and may be new to us."""
    return text(name, **values) if name in _SPACED else otherwise


def money(amount: int, currency: str) -> str:
    """An amount in minor units as the reader writes it."""
    return _money(amount, currency, session.language())


# A table writes the same few prices hundreds of times, and Babel takes its time over each.
_money = lru_cache(maxsize=4096)(format_money)


def number(value: int) -> str:
    """A whole number as the reader writes it."""
    return format_decimal(value, locale=session.language())


def percentage(ratio: float) -> str:
    """A change as the reader writes it: +12 % in French, +12% in English."""
    # Streamlit's metric knows a fall by the hyphen in front.
    sign = "+" if ratio >= 0 else "-"
    return f"{sign}{number(round(abs(ratio) * 100))}" + ("\u202f%" if session.language() == "fr" else "%")


def moment(instant: datetime, *, seconds: bool = False) -> str:
    """An instant in the business time zone: 22 nov. 2026 à 18:05."""
    clock = "HH:mm:ss" if seconds else "HH:mm"
    pattern = {"fr": f"d MMM y 'à' {clock}", "en": f"d MMM y, {clock}"}[session.language()]
    return format_datetime(instant, pattern, tzinfo=session.timezone(), locale=session.language())


def day(value: date) -> str:
    """A day: 22 nov. 2026."""
    return format_date(value, "d MMM y", locale=session.language())


def period(start: date, width: Period, *, short: bool = False) -> str:
    """The name of a bar: a day, the week of a day, or a month; `short` fits under an axis."""
    patterns = {
        Period.DAY: ("EEEE d MMMM y", "d MMM"),
        Period.WEEK: ("d MMMM y", "d MMM"),
        Period.MONTH: ("MMMM y", "MMM y"),
    }
    name = format_date(start, patterns[width][short], locale=session.language())
    if width is Period.WEEK and not short:
        return f"{text('revenue.period.week').lower()} {name}"
    return name


def level_name(level: Level | str | None) -> str:
    """The name of a level, or the word for one we don't know."""
    return Level(level).label if level in set(Level) else text("level.unknown")


def failure_reason(code: str | None) -> str:
    """Why a payment failed, in words, from Stripe's decline or error code."""
    code = code or "generic_decline"
    return text_or(f"failure.{code}", text("failure.other", code=code))


def stripe_status_name(status: str) -> str:
    """A PaymentIntent's state in words."""
    return text_or(f"stripe_status.{status}", status)


def actor_name(by: str) -> str:
    """Who did something: a role or program in words, a person by name."""
    return text_or(f"by.{by}", by)
