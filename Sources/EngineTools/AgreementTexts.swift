/// Texts on which variants are compared: short and long ones, questions with their contexts (after a tab), and scripts
/// that a vocabulary may not know.
enum AgreementTexts {
  static let all: [String] = sentences + questions + paragraphs

  private static let sentences = [
    "Yes.", "Thank you very much!", "The invoice is overdue.", "How far is it to the station?",
    "I would not buy this kettle again.", "Grüße aus Köln", "東京は今日も雨です", "A recipe for bread without yeast",
    "The committee postponed its decision until the spring.", "def median(values): return sorted(values)",
    "She plays the cello in a quartet on Thursdays.", "Prices fell by 3.5 % in the second quarter of 2019.",
  ]

  private static let passages = [
    "The lighthouse was built in 1874 from granite that ships carried across the bay. Its lamp burned oil until 1921, "
      + "when the village got electricity, and was last lit by hand in the winter of 1968.",
    "Bees find their way by the position of the sun. On cloudy days they use the pattern of polarized light in the "
      + "sky, and a forager tells the others of a meadow by dancing on the comb.",
    "Sourdough rises because wild yeast and bacteria live in the dough together. The bacteria make acids that give "
      + "bread its taste and keep it fresh, and the yeast makes the gas that lifts it.",
    "The river leaves the mountains through a narrow gorge and slows down on the plain. In spring the melting snow "
      + "floods the fields on both banks, and leaves them a thin layer of fertile mud.",
  ]

  private static let questions = zip(
    [
      "When was the lighthouse built?", "How do bees navigate on cloudy days?", "What lifts the bread?",
      "What does the flood leave on the fields?",
    ], passages
  ).map { "\($0)\t\($1)" }

  private static let paragraphs =
    passages + [passages[0] + " " + passages[1], passages[1] + " " + passages[2] + " " + passages[3]]
    + [
      passages.joined(separator: " "),
      passages.reversed().joined(separator: " ") + " " + sentences.joined(separator: " "),
    ]
}
