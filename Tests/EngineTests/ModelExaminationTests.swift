import Engine
import EngineTools
import Foundation
import PlannerCore
import ServerContract
import Testing

/// What is found of a model by trying it.
@Suite struct ModelExaminationTests {
  private func examine(_ code: String, inputs: [[Int]] = [[2, 8]]) throws -> ExaminedModel {
    let folder = try Folder()
    let model = try CraftedModel(folder, inputs: inputs, code: code)
    return try ModelExamination.run(model: model.path, RepositoryManifest.Model(name: "crafted"), memoryLimitBytes: nil)
  }

  @Test func sizesThatFailBetweenOthersAreNamed() throws {
    let found = try examine(
      """
      def forward(self, x: Tensor) -> Tensor:
        return torch.sum(torch.reshape(x, [x.size(0), 2, -1]), [1])
      """)
    #expect(found.varies && found.rows == .independent && found.requestTensors.map(\.shape) == [[1, -1]])
    #expect(Array(found.failedSizes.map(\.size).prefix(4)) == [1, 3, 5, 7])
    #expect(found.failedSizes.allSatisfy { $0.size % 2 == 1 && !$0.reason.isEmpty })
    #expect(found.largestSize == 4096 && !found.isLargestALimit)
  }

  @Test(arguments: [("torch.sum(x, [1])", ExaminedModel.Padding.unchanged), ("torch.mean(x, [1])", .changed)])
  func paddingIsTried(_ expression: String, _ padding: ExaminedModel.Padding) throws {
    #expect(try examine("def forward(self, x: Tensor) -> Tensor:\n  return \(expression)").padding == padding)
  }

  @Test func timeThatGoesWithValuesIsSeen() throws {
    let found = try examine(
      """
      def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(int(x.abs().sum().item()) * 10):
          y = torch.tanh(y)
        return y
      """)
    #expect(found.valueTimes?.vary == true)
    let other = try examine("def forward(self, x: Tensor) -> Tensor:\n  return torch.tanh(x)")
    #expect(other.valueTimes?.vary == false)
  }

  @Test func whatAnswersNoTryIsAProblemAndNoCrash() throws {
    let found = try examine(
      "def forward(self, x: Tensor) -> Tensor:\n  return torch.reshape(x, [-1, 12347])", inputs: [])
    #expect(found.problem != nil)
  }
}
