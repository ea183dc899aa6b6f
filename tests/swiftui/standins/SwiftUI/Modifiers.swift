@_exported import AppKit
import UniformTypeIdentifiers

public struct ButtonStyleChoice { public static var borderless: Self { Self() }; public static var bordered: Self { Self() }
    public static var plain: Self { Self() }; public static var borderedProminent: Self { Self() } }
public struct LabelStyleChoice { public static var iconOnly: Self { Self() }; public static var titleAndIcon: Self { Self() } }
public struct TextFieldStyleChoice { public static var plain: Self { Self() }; public static var roundedBorder: Self { Self() } }
public struct FormStyleChoice { public static var grouped: Self { Self() } }
public struct PickerStyleChoice { public static var segmented: Self { Self() }; public static var menu: Self { Self() } }
public enum ControlSize: Sendable { case mini, small, regular, large }
public struct TextSelectability { public static var enabled: Self { Self() } }
public struct KeyboardShortcut: Sendable { public static let cancelAction = KeyboardShortcut(), defaultAction = KeyboardShortcut() }
public struct KeyEquivalent: ExpressibleByExtendedGraphemeClusterLiteral, Sendable { public init(extendedGraphemeClusterLiteral: Character) {} }
public struct AccessibilityTraits: Sendable { public static let isHeader = AccessibilityTraits(), updatesFrequently = AccessibilityTraits() }
public struct AccessibilityChildBehavior: Sendable { public static let ignore = Self(), contain = Self(), combine = Self() }
public struct Edge { public struct Set: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }
    public static let top = Set(rawValue: 1), leading = Set(rawValue: 2), bottom = Set(rawValue: 4)
    public static let trailing = Set(rawValue: 8), all = Set(rawValue: 15), horizontal = Set(rawValue: 10), vertical = Set(rawValue: 5)
} }
public enum Visibility { case automatic, visible, hidden }
public protocol Transferable {}
extension URL: Transferable {}
public struct TransferPoint {}

extension View {
    public func font(_ font: Font?) -> some View { ModifiedView<Self>() }
    public func bold() -> some View { ModifiedView<Self>() }
    public func monospacedDigit() -> some View { ModifiedView<Self>() }
    public func lineLimit(_ number: Int?) -> some View { ModifiedView<Self>() }
    public func lineLimit(_ range: ClosedRange<Int>) -> some View { ModifiedView<Self>() }
    public func foregroundStyle<S: ShapeStyle>(_ style: S) -> some View { ModifiedView<Self>() }
    public func background<S: ShapeStyle, T: Shape>(_ style: S, in shape: T) -> some View { ModifiedView<Self>() }
    public func clipShape<S: Shape>(_ shape: S) -> some View { ModifiedView<Self>() }
    public func frame(width: CGFloat? = nil, height: CGFloat? = nil, alignment: Alignment = .center) -> some View { ModifiedView<Self>() }
    public func frame(minWidth: CGFloat? = nil, idealWidth: CGFloat? = nil, maxWidth: CGFloat? = nil,
                      minHeight: CGFloat? = nil, idealHeight: CGFloat? = nil, maxHeight: CGFloat? = nil,
                      alignment: Alignment = .center) -> some View { ModifiedView<Self>() }
    public func padding(_ length: CGFloat) -> some View { ModifiedView<Self>() }
    public func padding(_ edges: Edge.Set = .all, _ length: CGFloat? = nil) -> some View { ModifiedView<Self>() }
    public func scaledToFit() -> some View { ModifiedView<Self>() }
    public func fixedSize() -> some View { ModifiedView<Self>() }
    public func disabled(_ disabled: Bool) -> some View { ModifiedView<Self>() }
    public func id<ID: Hashable>(_ id: ID) -> some View { ModifiedView<Self>() }
    public func tag<V: Hashable>(_ tag: V) -> some View { ModifiedView<Self>() }
    public func help(_ text: LocalizedStringKey) -> some View { ModifiedView<Self>() }
    public func textSelection(_ selectability: TextSelectability) -> some View { ModifiedView<Self>() }
    public func buttonStyle(_ style: ButtonStyleChoice) -> some View { ModifiedView<Self>() }
    public func labelStyle(_ style: LabelStyleChoice) -> some View { ModifiedView<Self>() }
    public func textFieldStyle(_ style: TextFieldStyleChoice) -> some View { ModifiedView<Self>() }
    public func formStyle(_ style: FormStyleChoice) -> some View { ModifiedView<Self>() }
    public func pickerStyle(_ style: PickerStyleChoice) -> some View { ModifiedView<Self>() }
    public func controlSize(_ size: ControlSize) -> some View { ModifiedView<Self>() }
    public func labelsHidden() -> some View { ModifiedView<Self>() }
    public func navigationTitle(_ title: LocalizedStringKey) -> some View { ModifiedView<Self>() }
    @_disfavoredOverload public func navigationTitle<S: StringProtocol>(_ title: S) -> some View { ModifiedView<Self>() }
    public func tabItem<V: View>(@ViewBuilder _ label: () -> V) -> some View { ModifiedView<Self>() }
    public func toolbar<V: View>(@ViewBuilder content: () -> V) -> some View { ModifiedView<Self>() }
    public func sheet<V: View>(isPresented: Binding<Bool>, @ViewBuilder content: @escaping () -> V) -> some View { ModifiedView<Self>() }
    public func contextMenu<V: View>(@ViewBuilder menuItems: () -> V) -> some View { ModifiedView<Self>() }
    public func overlay<V: View>(alignment: Alignment = .center, @ViewBuilder content: () -> V) -> some View { ModifiedView<Self>() }
    public func keyboardShortcut(_ shortcut: KeyboardShortcut) -> some View { ModifiedView<Self>() }
    public func keyboardShortcut(_ key: KeyEquivalent) -> some View { ModifiedView<Self>() }
    public func focused(_ state: FocusState<Bool>.Binding) -> some View { ModifiedView<Self>() }
    public func onAppear(perform action: (() -> Void)? = nil) -> some View { ModifiedView<Self>() }
    public func onSubmit(_ action: @escaping () -> Void) -> some View { ModifiedView<Self>() }
    public func defaultScrollAnchor(_ anchor: UnitPoint?) -> some View { ModifiedView<Self>() }
    public func onChange<V: Equatable>(of value: V, initial: Bool = false, _ action: @escaping () -> Void) -> some View { ModifiedView<Self>() }
    public func onChange<V: Equatable>(of value: V, initial: Bool = false, _ action: @escaping (V, V) -> Void) -> some View { ModifiedView<Self>() }
    public func task(priority: TaskPriority = .userInitiated, @_inheritActorContext _ action: sending @escaping @isolated(any) () async -> Void) -> some View { ModifiedView<Self>() }
    public func task<ID: Equatable>(id: ID, priority: TaskPriority = .userInitiated, @_inheritActorContext _ action: sending @escaping @isolated(any) () async -> Void) -> some View { ModifiedView<Self>() }
    public func dropDestination<T: Transferable>(for type: T.Type = T.self, action: @escaping ([T], TransferPoint) -> Bool) -> some View { ModifiedView<Self>() }
    public func fileImporter(isPresented: Binding<Bool>, allowedContentTypes: [UTType], allowsMultipleSelection: Bool,
                             onCompletion: @escaping (Result<[URL], any Error>) -> Void) -> some View { ModifiedView<Self>() }
    public func accessibilityLabel(_ label: LocalizedStringKey) -> some View { ModifiedView<Self>() }
    @_disfavoredOverload public func accessibilityLabel<S: StringProtocol>(_ label: S) -> some View { ModifiedView<Self>() }
    public func accessibilityValue(_ value: LocalizedStringKey) -> some View { ModifiedView<Self>() }
    @_disfavoredOverload public func accessibilityValue<S: StringProtocol>(_ value: S) -> some View { ModifiedView<Self>() }
    public func accessibilityHidden(_ hidden: Bool) -> some View { ModifiedView<Self>() }
    public func accessibilityAddTraits(_ traits: AccessibilityTraits) -> some View { ModifiedView<Self>() }
    public func accessibilityElement(children: AccessibilityChildBehavior = .ignore) -> some View { ModifiedView<Self>() }
}

extension AttributedString {
    public struct MarkdownParsingOptions: Sendable {
        public enum InterpretedSyntax: Sendable { case full, inlineOnly, inlineOnlyPreservingWhitespace }
        public init(interpretedSyntax: InterpretedSyntax = .full) {}
    }
    public init(markdown: String, options: MarkdownParsingOptions = MarkdownParsingOptions()) throws {
        self.init(markdown)
    }
}
