// Starts `planner lsp` for the plans of a workspace, and says in one line what to do where it does not start.
const path = require("path");
const vscode = require("vscode");
const {LanguageClient, TransportKind} = require("vscode-languageclient/node");

let client;

function server() {
  const [program, ...words] = vscode.workspace.getConfiguration("planner").get("command");
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const command = folder && program.includes("/") ? path.resolve(folder, program) : program;
  return {command, args: [...words, "lsp"], transport: TransportKind.stdio, options: {cwd: folder}};
}

async function start() {
  const options = {documentSelector: [{language: "mem"}]};
  client = new LanguageClient("planner", "planner", server(), options);
  try {
    await client.start();
  } catch (problem) {
    const way = "install it with: pip install 'mem-planner[lsp]', or set planner.command";
    vscode.window.showErrorMessage(`planner lsp does not start: ${problem.message ?? problem}; ${way}`);
  }
}

async function restart() {
  await client?.stop().catch(() => undefined);
  await start();
}

async function activate(context) {
  const changed = vscode.workspace.onDidChangeConfiguration(
    (event) => event.affectsConfiguration("planner.command") && restart(),
  );
  context.subscriptions.push(changed, vscode.commands.registerCommand("planner.restart", restart));
  await start();
}

function deactivate() {
  return client?.stop();
}

module.exports = {activate, deactivate};
