import Foundation
import FoundationXML

/// An element of one of AWS' small XML answers.
package final class XMLNode {
  /// Name of the element, without the namespace's prefix.
  package let name: String
  package private(set) var children: [XMLNode] = []
  package private(set) var text = ""

  private init(name: String) { self.name = name }

  package func first(_ name: String) -> XMLNode? { children.first { $0.name == name } }
  package func all(_ name: String) -> [XMLNode] { children.filter { $0.name == name } }
  package func text(_ name: String) -> String? { first(name)?.text }

  static let maxDepth = 16
  static let maxNodes = 200_000

  /// Reads a document; one that declares types or entities is refused, as no such answer does.
  ///
  /// - Throws: `RemoteError` (`badData`).
  package static func parse(_ data: Data, subject: String) throws(RemoteError) -> XMLNode {
    let builder = Builder()
    let parser = XMLParser(data: data)
    parser.shouldResolveExternalEntities = false
    parser.delegate = builder
    guard data.range(of: Data("<!DOCTYPE".utf8)) == nil,
      data.range(of: Data("<!ENTITY".utf8)) == nil, parser.parse(), !builder.isTooMuch, let root = builder.root
    else { throw RemoteError(.badData, subject, "answers with something that is not the XML of S3") }
    return root
  }

  private final class Builder: NSObject, XMLParserDelegate {
    var root: XMLNode?
    var isTooMuch = false
    private var path: [XMLNode] = []
    private var count = 0

    func parser(
      _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?, qualifiedName qName: String?,
      attributes attributeDict: [String: String]
    ) {
      count += 1
      guard count <= XMLNode.maxNodes, path.count < XMLNode.maxDepth, root == nil || !path.isEmpty else {
        isTooMuch = true
        return parser.abortParsing()
      }
      let node = XMLNode(name: elementName.split(separator: ":").last.map(String.init) ?? elementName)
      path.last?.children.append(node)
      if root == nil { root = node }
      path.append(node)
    }

    func parser(
      _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?, qualifiedName qName: String?
    ) { _ = path.popLast() }

    func parser(_ parser: XMLParser, foundCharacters string: String) { path.last?.text += string }

    func parser(_ parser: XMLParser, foundCDATA CDATABlock: Data) {
      path.last?.text += String(decoding: CDATABlock, as: UTF8.self)
    }
  }
}
