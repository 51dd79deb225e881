// Signatures of Stripe's own SDK. Reads a JSON array of cases from the file CASES, each {payload, secret, timestamp?, scheme?};
// prints the value of the header stripe-signature for each, as a JSON array, in the same order.
import { readFileSync } from 'node:fs';
import Stripe from 'stripe';

const stripe = new Stripe('sk_test_of_nobody');
const cases = JSON.parse(readFileSync(process.env.CASES, 'utf8'));
console.log(JSON.stringify(cases.map((one) => stripe.webhooks.generateTestHeaderString(one))));
