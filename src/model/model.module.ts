import { Module } from '@nestjs/common';
import { ConfigurableModuleClass } from './model.module-definition.js';
import { ModelProvider } from './model.provider.js';

/**
 * Keeps models resident and gives everything that injects `ModelProvider` the same instance.
 *
 * @example
 * ModelModule.forRoot({ models: [{ name: 'tales', source: './models/tales', task: 'text-generation', ... }], ... })
 */
@Module({ providers: [ModelProvider], exports: [ModelProvider] })
export class ModelModule extends ConfigurableModuleClass {}
