// The part of SwiftUI that this repository uses, declared only: enough for the compiler to check
// names, labels, types and isolation. A Mac never sees these files.
@_exported import Foundation
@_exported import Observation

@MainActor @preconcurrency public protocol View {
    associatedtype Body: View
    @ViewBuilder @MainActor @preconcurrency var body: Body { get }
}

extension Never: View {
    public var body: Never { fatalError() }
}

/// A view without a body of its own.
public protocol PrimitiveView: View where Body == Never {}
extension PrimitiveView {
    public var body: Never { fatalError() }
}

public struct EmptyView: PrimitiveView { public nonisolated init() {} }
public struct AnyView: PrimitiveView { public init<V: View>(_ view: V) {} }
public struct TupleView<T>: PrimitiveView { public nonisolated init(_ value: T) {} }
public struct ConditionalContent<A, B>: PrimitiveView {}
public struct ModifiedView<Content>: PrimitiveView { public nonisolated init() {} }
extension Optional: View where Wrapped: View {
    public var body: Never { fatalError() }
}

@resultBuilder public struct ViewBuilder {
    public static func buildExpression<C: View>(_ content: C) -> C { content }
    public static func buildBlock() -> EmptyView { EmptyView() }
    public static func buildBlock<C: View>(_ content: C) -> C { content }
    public static func buildBlock<each C: View>(_ content: repeat each C) -> TupleView<(repeat each C)> {
        TupleView((repeat each content))
    }
    public static func buildIf<C: View>(_ content: C?) -> C? { content }
    public static func buildEither<A: View, B: View>(first: A) -> ConditionalContent<A, B> { fatalError() }
    public static func buildEither<A: View, B: View>(second: B) -> ConditionalContent<A, B> { fatalError() }
    public static func buildLimitedAvailability<C: View>(_ content: C) -> AnyView { fatalError() }
}

// State.

@propertyWrapper public struct State<Value> {
    public init(initialValue: Value) { fatalError() }
    public init(wrappedValue: Value) { fatalError() }
    public var wrappedValue: Value { get { fatalError() } nonmutating set {} }
    public var projectedValue: Binding<Value> { fatalError() }
}
extension State where Value: ExpressibleByNilLiteral {
    public init() { fatalError() }
}

@propertyWrapper @dynamicMemberLookup public struct Binding<Value> {
    public init(get: @escaping () -> Value, set: @escaping (Value) -> Void) {}
    public var wrappedValue: Value { get { fatalError() } nonmutating set {} }
    public var projectedValue: Binding<Value> { self }
    public static func constant(_ value: Value) -> Binding<Value> { fatalError() }
    public subscript<S>(dynamicMember path: WritableKeyPath<Value, S>) -> Binding<S> { fatalError() }
}

@propertyWrapper @dynamicMemberLookup public struct Bindable<Value> {
    public init(wrappedValue: Value) { fatalError() }
    public var wrappedValue: Value { fatalError() }
    public var projectedValue: Bindable<Value> { self }
    public subscript<S>(dynamicMember path: ReferenceWritableKeyPath<Value, S>) -> Binding<S> { fatalError() }
}
extension Bindable where Value: AnyObject, Value: Observable {
    public init(_ value: Value) { fatalError() }
}

@propertyWrapper public struct FocusState<Value> {
    public struct Binding {}
    public init() where Value == Bool {}
    public var wrappedValue: Value { get { fatalError() } nonmutating set {} }
    public var projectedValue: Binding { Binding() }
}

@propertyWrapper public struct AppStorage<Value> {
    let key: String
    public var wrappedValue: Value { get { fatalError() } nonmutating set {} }
    public var projectedValue: Binding<Value> { fatalError() }
}
extension AppStorage where Value == Bool { public init(wrappedValue: Bool, _ key: String) { self.key = key } }
extension AppStorage where Value == String { public init(wrappedValue: String, _ key: String) { self.key = key } }
extension AppStorage where Value == Double { public init(wrappedValue: Double, _ key: String) { self.key = key } }
extension AppStorage where Value: RawRepresentable, Value.RawValue == String {
    public init(wrappedValue: Value, _ key: String) { self.key = key }
}

@propertyWrapper public struct Environment<Value> {
    public init(_ path: KeyPath<EnvironmentValues, Value>) {}
    public var wrappedValue: Value { fatalError() }
}
public struct EnvironmentValues {
    public var openURL: OpenURLAction { fatalError() }
    public var openSettings: OpenSettingsAction { fatalError() }
    public var openWindow: OpenWindowAction { fatalError() }
    public var dismiss: DismissAction { fatalError() }
}
@MainActor public struct OpenURLAction { public func callAsFunction(_ url: URL) {} }
@MainActor public struct OpenSettingsAction { public func callAsFunction() {} }
@MainActor public struct OpenWindowAction { public func callAsFunction(id: String) {} }
@MainActor public struct DismissAction { public func callAsFunction() {} }

// Scenes.

@MainActor @preconcurrency public protocol Scene {
    associatedtype Body: Scene
    @SceneBuilder @MainActor @preconcurrency var body: Body { get }
}
extension Never: Scene {}
public protocol PrimitiveScene: Scene where Body == Never {}
extension PrimitiveScene { public var body: Never { fatalError() } }
public struct TupleScene<T>: PrimitiveScene {}

@resultBuilder public struct SceneBuilder {
    public static func buildExpression<C: Scene>(_ content: C) -> C { content }
    public static func buildBlock<C: Scene>(_ content: C) -> C { content }
    public static func buildBlock<each C: Scene>(_ content: repeat each C) -> TupleScene<(repeat each C)> { fatalError() }
}

@MainActor @preconcurrency public protocol App {
    associatedtype Body: Scene
    @SceneBuilder @MainActor @preconcurrency var body: Body { get }
    init()
}
extension App { public static func main() {} }

public struct WindowGroup<Content: View>: PrimitiveScene {
    public init(@ViewBuilder content: () -> Content) {}
    public init(_ title: LocalizedStringKey, @ViewBuilder content: () -> Content) {}
    public init(_ title: LocalizedStringKey, id: String, @ViewBuilder content: () -> Content) {}
}
public struct Window<Content: View>: PrimitiveScene {
    public init(_ title: LocalizedStringKey, id: String, @ViewBuilder content: () -> Content) {}
}
public struct Settings<Content: View>: PrimitiveScene {
    public init(@ViewBuilder content: () -> Content) {}
}
public struct MenuBarExtra<Label: View, Content: View>: PrimitiveScene {
    public init(@ViewBuilder content: () -> Content, @ViewBuilder label: () -> Label) {}
}
public struct ModifiedScene: PrimitiveScene {}
public struct MenuBarExtraStyleChoice { public static var window: Self { fatalError() }; public static var menu: Self { fatalError() } }
public struct WindowResizability { public static var contentSize: Self { fatalError() } }
extension Scene {
    public func menuBarExtraStyle(_ style: MenuBarExtraStyleChoice) -> some Scene { ModifiedScene() }
    public func defaultSize(width: CGFloat, height: CGFloat) -> some Scene { ModifiedScene() }
    public func windowResizability(_ resizability: WindowResizability) -> some Scene { ModifiedScene() }
}

@freestanding(declaration)
public macro Preview(_ name: String? = nil, @ViewBuilder body: @escaping @MainActor () -> any View)
    = #externalMacro(module: "StandInMacros", type: "Preview")

@MainActor public protocol PreviewProvider {
    associatedtype Previews: View
    @ViewBuilder static var previews: Previews { get }
}
