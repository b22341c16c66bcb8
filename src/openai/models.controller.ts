import { Controller, Get, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { ModelProvider, type ModelDescription } from '../model/model.provider.js';
import { AdminGuard } from '../transport/admin.guard.js';

/** What Express gives for a name that may hold slashes: `owner/name`. */
type NameParam = string | string[];

/** OpenAI's model list, with what residency adds in `resident`, and what an operator may do about it. */
@Controller('v1/models')
export class ModelsController {
  constructor(readonly models: ModelProvider) {}

  @Get()
  list(): object {
    return { object: 'list', data: this.models.describeAll().map(formatModel) };
  }

  @Get('*name')
  get(@Param('name') name: NameParam): object {
    return formatModel(this.models.describe(nameOf(name)));
  }

  /** Answers when it is loaded. */
  @Post('*name/load')
  @HttpCode(200)
  @UseGuards(AdminGuard)
  async load(@Param('name') name: NameParam): Promise<object> {
    return formatModel(await this.models.load(nameOf(name)));
  }

  @Post('*name/unload')
  @HttpCode(200)
  @UseGuards(AdminGuard)
  async unload(@Param('name') name: NameParam): Promise<object> {
    return formatModel(await this.models.unload(nameOf(name)));
  }

  /** Answers when the new load serves. */
  @Post('*name/reload')
  @HttpCode(200)
  @UseGuards(AdminGuard)
  async reload(@Param('name') name: NameParam): Promise<object> {
    return formatModel(await this.models.reload(nameOf(name)));
  }
}

function nameOf(name: NameParam): string {
  return [name].flat().join('/');
}

function formatModel({ name, ...resident }: ModelDescription): object {
  const { loadedAt } = resident;
  return {
    id: name,
    object: 'model',
    created: loadedAt === undefined ? 0 : Math.floor(Date.parse(loadedAt) / 1000),
    owned_by: 'resident',
    resident,
  };
}
